package router_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/router"
)

// A status without a send record waits for one, and then makes its row for the
// one organisation that its account signs for; one whose account is everybody's
// goes on waiting.
func TestAMessageThatNobodyRecordedIsAdopted(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64 // of the time that it is
	g := newRig(t, func(o *router.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	everybody := "AC0000000000000000000000000000000c"
	g.exec("INSERT INTO accounts (id, provider, name, platform) VALUES (gen_random_uuid(), 'twilio', $1, true)", everybody)
	g.publish(status(g.signA, 1, "sent"), status(everybody, 2, "sent"))
	g.held(events.Parked, "no_mapping", "no_mapping")
	var waiting int
	require.NoError(t, g.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_events WHERE retry_at = received_at + interval '15 minutes'").Scan(&waiting))
	require.Equal(t, 2, waiting)
	ahead.Store(int64(15 * time.Minute))
	m := next(g, g.messages)
	require.Equal(t, []any{g.orgA, events.DeriveRowID(g.orgA, events.Twilio, sid(1)), "account"}, []any{m.Org, m.Row, m.ResolvedBy})
	g.publish(status(g.signA, 1, "delivered"))
	m = next(g, g.messages)
	require.Equal(t, "resource", m.ResolvedBy, "its id is on record at once")
	g.held(events.Parked, "no_mapping")

	send := g.send(g.orgB, 2)
	g.publish(send)
	by := map[events.Kind]string{} // either may be first: what is recorded frees at once
	for range 2 {
		m = next(g, g.messages)
		require.Equal(t, g.orgB, m.Org)
		by[m.Kind] = m.ResolvedBy
	}
	require.Equal(t, map[events.Kind]string{events.KindSend: "send", events.KindMessageStatus: "resource"}, by)
}

// Beyond the cap an event keeps only where its request lies, and is released
// all the same.
func TestAboveTheCapTheRequestStaysInKafka(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(o *router.Options) { o.Config.MaxParked = 2 })
	for n := range 5 {
		g.publish(status(g.signA, n, "sent"))
	}
	g.held(events.Parked, "no_mapping", "no_mapping", "no_mapping", "no_mapping", "no_mapping")
	var kept int
	require.NoError(t, g.owner.QueryRow(t.Context(), "SELECT count(record) FROM held_events").Scan(&kept))
	// A sweep that counts in this moment counts one of them twice.
	require.LessOrEqual(t, kept, 2)
	require.NotZero(t, kept)
	require.Equal(t, 5-kept, g.counter("waybill_router_park_capped_total"))
	// Tried again, what is kept stays so.
	before := kept
	g.exec("UPDATE held_events SET ready = true")
	g.until(func() string {
		var ready int
		require.NoError(t, g.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_events WHERE ready OR lease_until IS NOT NULL").Scan(&ready))
		if ready > 0 {
			return fmt.Sprint(ready, " are not held again yet")
		}
		return ""
	})
	require.NoError(t, g.owner.QueryRow(t.Context(), "SELECT count(record) FROM held_events").Scan(&kept))
	require.GreaterOrEqual(t, kept, before)
	g.publish(status(g.signB, 9, "sent"))
	for n := range 5 {
		g.publish(g.send(g.orgA, n))
	}
	g.publish(g.send(g.orgB, 9))
	seen := map[string]int{}
	for range 12 {
		m := next(g, g.messages)
		if m.Kind == events.KindMessageStatus {
			seen[m.ProviderID]++
		}
	}
	require.Len(t, seen, 6)
	g.held(events.Parked)
}
