package postgres_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

// many holds so many parked events under a resource key of each and one account
// key of all, in a statement. Nobody has counted the rows then.
func (w *world) many(t testing.TB, n int) {
	t.Helper()
	w.exec(t, `
		INSERT INTO held_events (event_id, receipt_id, state, reason, provider, kind, signer, named_key, received_at, raw_topic, raw_partition, raw_offset, record)
		SELECT 'twilio/AC' || i % 7 || '/message.status/SM' || md5(i::text) || ':sent:', gen_random_uuid(), CASE i % 20 WHEN 7 THEN 'dead' ELSE 'parked' END,
			CASE i WHEN 77 THEN 'rare' ELSE (ARRAY['no_mapping', 'no_conversation'])[1 + i % 2] END, CASE i WHEN 99 THEN 'connect' ELSE 'twilio' END,
			'message.status', CASE i WHEN 55 THEN $2 ELSE 'AC' || i % 7 END, CASE i % 3 WHEN 0 THEN '' ELSE 'resource=twilio:SM' || i END,
			$3::timestamptz - (i % 1000) * interval '1 second', 'waybill.raw.twilio.v1', 0, i, decode(repeat(md5(i::text), 8), 'hex')
		FROM generate_series(1, $1::int) i`, n, w.signA, noon)
	w.exec(t, `
		INSERT INTO held_keys (key, event_id)
		SELECT 'resource=twilio:SM' || raw_offset, event_id FROM held_events WHERE raw_offset > 0
		UNION ALL SELECT 'account=twilio:ACmany', event_id FROM held_events WHERE raw_offset > 0`)
}

// However many chunks are looked at, a filter means what it says: compared with
// a filter over all of the events in memory.
func TestFiltersMeanTheSameForEveryVerb(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 12_000 // more than two chunks
	w.many(t, n)
	store := postgres.NewHeld(w.open(t, testkit.ReadOnly))
	all, err := operate.ListHeld(t.Context(), store, operate.Selection{}, 2*n)
	require.NoError(t, err)
	require.Len(t, all, n)
	slices.SortFunc(all, func(a, b history.Held) int {
		return cmp.Or(b.ReceivedAt.Compare(a.ReceivedAt), cmp.Compare(a.ID, b.ID))
	})
	mine := func(h *history.Held) bool { return h.Signer == w.signA }
	under := func(h *history.Held, key string) bool { return h.Key == key || slices.Contains(h.Keys, key) }
	draw := rand.New(rand.NewPCG(6, 15)) //nolint:gosec // a fixed draw
	pick := func(texts ...string) string { return texts[draw.IntN(len(texts))] }
	for round := range 150 {
		s := operate.Selection{
			State: pick("", "", "parked", "dead", "quarantined"), Reason: pick("", "", "no_mapping", "rare", "none"), Provider: pick("", "", "twilio", "connect", "stripe"),
			Key: pick("", "", "", "resource=twilio:SM77", "account=twilio:ACmany", "resource=twilio:SM4711", "SM99"),
		}
		if draw.IntN(4) == 0 {
			s.Org = string(w.orgA)
		}
		if draw.IntN(3) == 0 {
			s.Since = noon.Add(-time.Duration(draw.IntN(1100)) * time.Second)
		}
		if draw.IntN(3) == 0 {
			if before := noon.Add(-time.Duration(draw.IntN(1100)) * time.Second); s.Since.Before(before) {
				s.Before = before
			}
		}
		if round == 0 {
			s = operate.Selection{Org: string(w.orgA)}
		}
		key := s.Key
		if key == "SM99" {
			key = "resource=twilio:SM99"
		}
		var want []events.EventID
		states := history.HeldChange{}
		for i := range all {
			h := &all[i]
			if (s.State == "" || h.State == events.Outcome(s.State)) && (s.Reason == "" || h.Reason == s.Reason) && (s.Provider == "" || h.Provider == events.Provider(s.Provider)) &&
				(s.Key == "" || under(h, key)) && (s.Org == "" || mine(h)) && (s.Since.IsZero() || !h.ReceivedAt.Before(s.Since)) && (s.Before.IsZero() || h.ReceivedAt.Before(s.Before)) {
				want = append(want, h.ID)
				states[h.State]++
			}
		}
		most := 1 + draw.IntN(300)
		listed, err := operate.ListHeld(t.Context(), store, s, most)
		require.NoError(t, err)
		var got []events.EventID
		for i := range listed {
			got = append(got, listed[i].ID)
		}
		require.Equal(t, want[:min(most, len(want))], got, "%+v", s)
		done := do(t, store, operate.Order{Act: history.ActReplay, Which: s, All: true, DryRun: true})
		require.Equal(t, states, done.States, "%+v", s)
	}
}

// One statement for everything that waited for an account ran into its time
// limit, and the account could not be added at all.
func TestRegressionAKeyOfVeryManyEventsIsReleasedInChunks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 2500
	w.many(t, n)
	other := w.hold(t, 1, events.Parked, tenantmap.ReasonNoMapping, nil)
	lost := func() (lost int) {
		require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_events WHERE NOT ready AND event_id <> $1", other).Scan(&lost))
		return lost
	}
	added, err := operator(t, w).AddAccounts(t.Context(), []tenants.NewAccount{{Provider: "twilio", Name: "ACmany", Orgs: []events.OrgID{w.orgA}}})
	require.NoError(t, err)
	require.EqualValues(t, n, added[0].Released)
	require.Equal(t, n-1000, lost(), "a chunk at once")
	require.Equal(t, 2, w.wakeAll(t))
	require.Zero(t, lost())
	require.True(t, w.lost(t, events.EventID(other)), "it waits for something else")
	require.Zero(t, w.wakeAll(t), "there is no more to do")

	// Somebody adds the account once more while it is half done.
	w.exec(t, "UPDATE held_events SET ready = false")
	_, err = operator(t, w).AddAccounts(t.Context(), []tenants.NewAccount{{Provider: "twilio", Name: "ACmany", Orgs: []events.OrgID{w.orgB}}})
	require.NoError(t, err)
	_, err = postgres.NewRouting(w.open(t, testkit.Router)).WakeHeld(t.Context())
	require.NoError(t, err)
	w.exec(t, "UPDATE held_events SET ready = false")
	_, err = operator(t, w).AddAccounts(t.Context(), []tenants.NewAccount{{Provider: "twilio", Name: "ACmany", Orgs: []events.OrgID{w.orgA}}})
	require.NoError(t, err)
	w.wakeAll(t)
	require.Zero(t, lost())
}

// What was held in the moment in which it was applied goes, wherever it stands
// among how many others.
func TestWhatIsFinalIsNotHeldAmongMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 12_000
	w.many(t, n)
	w.exec(t, `INSERT INTO event_ids (event_id, receipt_id, outcome, applied_at)
		SELECT event_id, CASE WHEN raw_offset % 2 = 0 THEN receipt_id ELSE gen_random_uuid() END, 'applied', now() FROM (
			(SELECT * FROM held_events ORDER BY event_id LIMIT 10) UNION ALL (SELECT * FROM held_events ORDER BY event_id DESC LIMIT 10)) ends`)
	var repeats, held, dups int
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_events h JOIN event_ids e USING (event_id) WHERE e.receipt_id <> h.receipt_id").Scan(&repeats))
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	chunks := 0
	for after := events.EventID(""); ; {
		last, err := routing.SupersedeFinal(t.Context(), after)
		require.NoError(t, err)
		chunks++
		if after = last; after == "" {
			break
		}
	}
	require.Equal(t, 2, chunks)
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM held_events), (SELECT count(*) FROM event_duplicates)").Scan(&held, &dups))
	require.Equal(t, n-20, held)
	require.Equal(t, repeats, dups)
	require.Positive(t, dups)
}

// Events that are on their way already do not hide those that are due.
func TestEventsThatAreReadyDoNotExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ready := w.hold(t, 1, events.Parked, tenantmap.ReasonNoMapping, func(h *tenantmap.Held) { h.ReceivedAt = noon.Add(-2 * time.Hour) })
	due := w.hold(t, 2, events.Parked, tenantmap.ReasonNoMapping, func(h *tenantmap.Held) { h.ReceivedAt = noon.Add(-time.Hour) })
	young := w.hold(t, 3, events.Parked, tenantmap.ReasonNoMapping, nil)
	w.exec(t, "UPDATE held_events SET ready = true WHERE event_id = $1", ready)
	n, err := postgres.NewRouting(w.open(t, testkit.Router)).ExpireParked(t.Context(), noon.Add(-time.Minute))
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	states := pairs(t, w.owner, "SELECT event_id, state || ' ' || reason FROM held_events")
	parked := fmt.Sprintf("%s %s", events.Parked, tenantmap.ReasonNoMapping)
	require.Equal(t, map[string]string{ready: parked, young: parked, due: fmt.Sprintf("%s %s", events.Dead, tenantmap.ReasonUnclaimed)}, states)
}

// Routers claim in rounds, each from where the last claim ended: every event is
// claimed once in a round, and what was left comes with the next one.
func TestReadyEventsAreClaimedInRounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many(t, 250)
	w.exec(t, "UPDATE held_events SET ready = true")
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	round := func() (ids []events.EventID, sizes []int) {
		for after := events.EventID(""); ; {
			claimed, err := routing.ClaimReady(t.Context(), after, 100, time.Minute)
			require.NoError(t, err)
			claims := claimed.Claims
			sizes = append(sizes, len(claims))
			for i := range claims {
				ids = append(ids, claims[i].EventID)
			}
			if !claimed.More {
				return ids, sizes
			}
			after = claims[99].EventID
			require.NoError(t, routing.DeleteReleased(t.Context(), claimed.Token, ids[len(ids)-50:])) // the broker took half of them
		}
	}
	ids, sizes := round()
	require.Equal(t, []int{100, 100, 50}, sizes)
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), 250)
	ids, _ = round()
	require.Empty(t, ids, "they are leased")
	w.exec(t, "UPDATE held_events SET lease_until = now() - interval '1 second'")
	_, sizes = round()
	require.Equal(t, []int{100, 50}, sizes, "half of two hundred, and the last fifty")
}
