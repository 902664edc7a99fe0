package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

// addTokens enters n tokens of signA, sealed as "old", and returns their ids.
func addTokens(t *testing.T, w *world, n int) (ids []string) {
	t.Helper()
	a := tenants.NewAccount{Provider: tenants.Twilio, Name: w.signA, Orgs: []events.OrgID{w.orgA}}
	for i := range n {
		ids = append(ids, uuid.NewString())
		a.Tokens = append(a.Tokens, tenants.SealedToken{ID: ids[i], Name: fmt.Sprint("key ", i), Algorithm: "HMAC_SHA256", Sealed: []byte("old")})
	}
	_, err := operator(t, w).AddAccounts(t.Context(), []tenants.NewAccount{a})
	require.NoError(t, err)
	return ids
}

func lastUse(t *testing.T, w *world, id string) *time.Time {
	t.Helper()
	for _, tok := range account(t, operator(t, w), w.signA).Tokens {
		if tok.ID == id {
			return tok.LastUsedAt
		}
	}
	t.Fatal("no such token")
	return nil
}

func TestTheLastUseOfATokenNeverGoesBackAndIsNoChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := addTokens(t, w, 2)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	before := configVersion(t, w)
	require.Nil(t, lastUse(t, w, ids[0]), "never that is known")
	at := time.Now().Add(-time.Hour).Truncate(time.Microsecond).UTC()
	touch := func(id string, at time.Time) {
		require.NoError(t, routing.Touch(t.Context(), map[string]time.Time{id: at, uuid.NewString(): at}))
	}
	touch(ids[0], at)
	require.Equal(t, at, *lastUse(t, w, ids[0]))
	touch(ids[0], at.Add(-time.Hour)) // a replay
	require.Equal(t, at, *lastUse(t, w, ids[0]))
	touch(ids[0], at.Add(time.Minute))
	require.Equal(t, at.Add(time.Minute), *lastUse(t, w, ids[0]))
	touch(ids[0], time.Now().Add(24*time.Hour)) // a clock that is wrong must not hide what comes
	require.WithinDuration(t, time.Now(), *lastUse(t, w, ids[0]), time.Minute)
	require.Nil(t, lastUse(t, w, ids[1]))
	require.Equal(t, before, configVersion(t, w), "the config topic would be compared each time")

	pool := w.db.Pool(t, testkit.Router)
	_, err := pool.Exec(t.Context(), "UPDATE account_tokens SET sealed = ''")
	require.ErrorContains(t, err, "permission denied", "a router notes uses and changes nothing else")
}

func TestTheConfigFeedNamesKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	addTokens(t, w, 1)
	feed := postgres.NewConfigFeed(w.open(t, testkit.Router))
	all, err := feed.All(t.Context())
	require.NoError(t, err)
	signer := all["signer/twilio//"+w.signA].(*events.ConfigSigner)
	require.Equal(t, "key 0", signer.Tokens[0].KeyID)
	require.Equal(t, "HMAC_SHA256", signer.Tokens[0].Algorithm)
}

func TestResealingSeesEveryLiveTokenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = 401 // three chunks
	ids := addTokens(t, w, many)
	store := operator(t, w)
	require.NoError(t, store.RemoveAccount(t.Context(), w.signA, ids[7]))
	before := configVersion(t, w)
	seen := map[string]int{}
	require.NoError(t, store.Reseal(t.Context(), func(tok tenants.OwnedToken) []byte {
		require.Equal(t, w.signA, tok.Account)
		require.Equal(t, "old", string(tok.Sealed))
		seen[tok.ID]++
		if tok.ID == ids[3] {
			return nil
		}
		return []byte("new")
	}))
	require.Len(t, seen, many-1)
	require.NotContains(t, seen, ids[7], "a removed token is never used again")
	require.Greater(t, configVersion(t, w), before, "every ingest must learn of it")
	sealed := pairs(t, w.owner, "SELECT id::text, encode(sealed, 'escape') FROM account_tokens")
	require.Equal(t, "old", sealed[ids[3]])
	require.Equal(t, "old", sealed[ids[7]])
	require.Equal(t, "new", sealed[ids[0]])
}
