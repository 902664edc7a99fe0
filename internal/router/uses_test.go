package router_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/router"
)

// touched is the real store; it shows what is written of tokens' use.
type touched struct {
	router.Store
	writes chan map[string]time.Time
}

func (s *touched) Touch(ctx context.Context, used map[string]time.Time) error {
	s.writes <- used
	return s.Store.Touch(ctx, used)
}

// The first use is written at once; what comes within the minute behind it is
// written when the router stops, if not before.
func TestUsesOfTokensAreWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	store := &touched{writes: make(chan map[string]time.Time, 100)}
	g := newRig(t, func(o *router.Options) { store.Store, o.Store = o.Store, store })
	id := uuid.NewString()
	g.exec("INSERT INTO account_tokens (id, account_id, sealed) SELECT $1, a.id, '' FROM accounts a WHERE a.name = $2", id, g.signA)
	g.publish(g.send(g.orgA, 1))
	next(g, g.messages)
	signed := func(status, token string, at time.Time) {
		r := events.Raw{
			Receipt: events.NewReceiptID(), Provider: events.Twilio, Kind: events.KindMessageStatus, Signer: g.signA, Token: token, Key: sid(1),
			Method: "POST", ReceivedAt: at,
			Body: []byte("AccountSid=" + g.signA + "&MessageSid=" + sid(1) + "&MessageStatus=" + status),
		}
		g.publish(r.Record())
		next(g, g.messages)
	}
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond).UTC()
	signed("sent", id, at)
	require.Equal(t, map[string]time.Time{id: at}, next(g, store.writes))
	var kept time.Time
	g.until(func() string {
		if err := g.owner.QueryRow(t.Context(), "SELECT coalesce(last_used_at, 'epoch') FROM account_tokens WHERE id = $1", id).Scan(&kept); err != nil || !kept.Equal(at) {
			return "the use is not on record"
		}
		return ""
	})
	signed("delivered", id, at.Add(time.Second))
	signed("read", "not an id of ours", at.Add(time.Second))
	require.Empty(t, store.writes, "less than a minute has passed")
}
