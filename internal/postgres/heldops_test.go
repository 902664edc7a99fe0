package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

func TestHeldEventsAreListedReleasedAndDismissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	var ids []string
	for n := range 3 {
		p := w.early(n + 1)
		_, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{p})
		require.NoError(t, err)
		ids = append(ids, string(p.Held.EventID))
	}
	store := postgres.NewHeld(w.open(t, testkit.Operator))
	list := func(s operate.Selection) []string {
		all, err := operate.ListHeld(t.Context(), postgres.NewHeld(w.open(t, testkit.ReadOnly)), s, 10)
		require.NoError(t, err)
		var out []string
		for _, h := range all {
			out = append(out, string(h.ID))
		}
		return out
	}
	require.ElementsMatch(t, ids, list(operate.Selection{State: "parked"}))
	require.Empty(t, list(operate.Selection{State: "dead"}))
	require.Equal(t, ids[1:2], list(operate.Selection{Key: sid(2)}))
	require.Equal(t, ids[1:2], list(operate.Selection{Key: "resource=twilio:" + sid(2)}))
	require.Len(t, list(operate.Selection{Org: string(w.orgA)}), 3, "org A's account signed them")
	require.Empty(t, list(operate.Selection{Org: string(w.orgB)}))

	dry := do(t, store, operate.Order{Act: history.ActDismiss, All: true, DryRun: true})
	require.Equal(t, 3, dry.Events)
	require.Len(t, list(operate.Selection{}), 3, "a dry run changed something")
	_, err := operate.ChangeHeld(t.Context(), store, operate.Order{Act: history.ActDismiss}, func(int) {})
	var usage *operate.UsageError
	require.ErrorAs(t, err, &usage, "everything must be asked for aloud")

	done := do(t, store, operate.Order{Act: history.ActReplay, Which: operate.Selection{IDs: ids[:1]}})
	require.Equal(t, history.HeldChange{events.Parked: 1}, done.States)
	require.False(t, w.lost(t, events.EventID(ids[0])))
	done = do(t, store, operate.Order{Act: history.ActReplay, Which: operate.Selection{IDs: ids[:1]}})
	require.Zero(t, done.Events, "it is on its way already")
}

func TestADismissedEventStaysAccountedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	plain, final := w.early(1), w.early(2)
	for _, p := range []tenantmap.Unsettled{plain, final} {
		_, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{p})
		require.NoError(t, err)
	}
	// The second was applied meanwhile under another receipt.
	w.exec(t, "INSERT INTO event_ids (event_id, receipt_id, outcome, applied_at) VALUES ($1, $2, 'applied', now())", final.Held.EventID, uuid.NewString())
	store := postgres.NewHeld(w.open(t, testkit.Operator))
	done := do(t, store, operate.Order{Act: history.ActDismiss, Which: operate.Selection{State: "parked"}})
	require.Equal(t, 2, done.Events)

	stands := map[[16]byte]history.Standing{}
	err := postgres.NewInspect(w.open(t, testkit.ReadOnly)).Standings(t.Context(), time.Time{}, func(s history.Standing) { stands[s.Receipt] = s })
	require.NoError(t, err)
	at := func(r events.ReceiptID) history.Standing { return stands[uuid.MustParse(string(r))] }
	require.Equal(t, events.Ignored, at(plain.Held.Receipt).Outcome)
	require.Equal(t, history.Final, at(plain.Held.Receipt).Class)
	require.Equal(t, history.Duplicate, at(final.Held.Receipt).Class)
	require.Len(t, stands, 3)

	s, err := operate.Trace(t.Context(), postgres.NewInspect(w.open(t, testkit.ReadOnly)), string(plain.Held.EventID), "")
	require.NoError(t, err)
	require.True(t, s.Found)
	require.Equal(t, events.Ignored, s.Events[0].Outcome)
	require.Equal(t, w.signA, s.Events[0].VerifiedAs)
}
