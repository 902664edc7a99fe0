package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

// A dead letter is not final: a version that knows more replays it under the id
// and the receipt that it has, and it is applied.
func TestADeadEventIsAppliedOnceItCanBe(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	e := d.status(d.orgA, 1, "teleported", "", 1)
	require.Equal(t, map[events.Outcome]int{events.Dead: 1}, d.apply(t, e).Outcomes)
	e.Status = "sent" // what it means now
	effect := d.apply(t, e)
	require.Equal(t, map[events.Outcome]int{events.Applied: 1}, effect.Outcomes)
	require.Zero(t, effect.Duplicates)
	require.Len(t, effect.Status, 1)
	var held int
	require.NoError(t, d.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_events").Scan(&held))
	require.Zero(t, held, "it is superseded")
}

// Whoever records a key waits for whoever parks an event under it at the moment,
// and then frees that event, whether or not another one waits there already.
func TestWhoRecordsAKeyWaitsForWhoParksUnderIt(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{"a new key": false, "a known key": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			routing := postgres.NewRouting(d.open(t, testkit.Router))
			if known {
				earlier := d.early(1)
				earlier.Held.EventID += "earlier"
				_, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{earlier})
				require.NoError(t, err)
			}
			parker, p := d.rival(t), d.early(1)
			decisions, err := postgres.SettleIn(t.Context(), parker.Tx, []tenantmap.Unsettled{p})
			require.NoError(t, err)
			require.Equal(t, events.Parked, decisions[0].Outcome)
			recorded := make(chan error, 1)
			go func() {
				_, _, err := routing.RecordSends(t.Context(), []tenantmap.Send{d.send(1)})
				recorded <- err
			}()
			done := false
			require.Eventually(t, func() bool {
				select {
				case err := <-recorded:
					done = true
					return err == nil
				default:
				}
				var waiting bool
				err := d.owner.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1::int = ANY(pg_blocking_pids(pid)))", parker.Conn().PgConn().PID()).Scan(&waiting)
				return err == nil && waiting
			}, 10*time.Second, 5*time.Millisecond)
			require.NoError(t, parker.Commit(t.Context()))
			if !done {
				require.NoError(t, <-recorded)
			}
			require.False(t, d.lost(t, p.Held.EventID), "the event waits for ever")
		})
	}
}

// What nobody claimed is given up, and freed all the same by its send.
func TestALateSendFreesWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	p := w.early(1)
	_, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{p})
	require.NoError(t, err)
	n, err := routing.ExpireParked(t.Context(), noon.Add(time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	_, ready, err := routing.RecordSends(t.Context(), []tenantmap.Send{w.send(1)})
	require.NoError(t, err)
	require.EqualValues(t, 1, ready)
	require.False(t, w.lost(t, p.Held.EventID))
}

// An event that is parked once more while a router releases its earlier state is
// not that router's to delete.
func TestWhatIsHeldAgainOutlivesItsRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	p := w.early(1)
	_, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{p})
	require.NoError(t, err)
	w.exec(t, "UPDATE held_events SET ready = true") // an operator's replay
	claimed, err := routing.ClaimReady(t.Context(), "", 10, time.Minute)
	require.NoError(t, err)
	claims := claimed.Claims
	require.Len(t, claims, 1)
	_, _, err = routing.Settle(t.Context(), []tenantmap.Unsettled{p})
	require.NoError(t, err)
	require.NoError(t, routing.DeleteReleased(t.Context(), claimed.Token, []events.EventID{claims[0].EventID}))
	require.True(t, w.lost(t, p.Held.EventID), "it is parked")
	w.exec(t, "UPDATE held_events SET ready = true")
	claimed, err = routing.ClaimReady(t.Context(), "", 10, time.Minute)
	require.NoError(t, err)
	require.NoError(t, routing.DeleteReleased(t.Context(), claimed.Token, []events.EventID{claims[0].EventID}))
	var held int
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_events").Scan(&held))
	require.Zero(t, held, "its own release deletes it")
}
