package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

type parkFunc func(context.Context, pgx.Tx, []tenantmap.Unsettled) ([]tenantmap.Decision, error)

// contest is an event and the record that frees it.
type contest struct {
	parking func(n int) tenantmap.Unsettled
	record  func(ctx context.Context, tx pgx.Tx, n int) error
	role    string   // of the recorder
	free    []string // statements of either that need no turn
	// The numbers of turns, commit included, of the parker, of one without the
	// lock, and of the recorder.
	parker, unlocked, recorder int
}

func (w *world) contests(t testing.TB) map[string]contest {
	t.Helper()
	const shared = "+15550100005"
	w.share(t, shared)
	sends := func(send func(n int) tenantmap.Send) func(context.Context, pgx.Tx, int) error {
		return func(ctx context.Context, tx pgx.Tx, n int) error {
			_, _, err := postgres.RecordIn(ctx, tx, []tenantmap.Send{send(n)})
			return err
		}
	}
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	return map[string]contest{
		"the send of a callback": {w.early, sends(w.send), testkit.Router, postgres.NotHeldYet, 8, 6, 4},
		"the last word in a conversation": {
			func(n int) tenantmap.Unsettled { return w.answer(n, shared) },
			sends(func(n int) tenantmap.Send {
				return w.outbound(w.orgA, n, shared, personOf(n), noon.Add(-time.Hour))
			}),
			testkit.Router, postgres.IndifferentToParking, 7, 5, 4,
		},
		// Its id turns out to be known only under the id's lock, so that the
		// account is locked after it.
		"the account of a callback": {
			func(n int) tenantmap.Unsettled {
				_, _, err := routing.RecordSends(t.Context(), []tenantmap.Send{w.send(n)})
				require.NoError(t, err)
				p := w.early(n)
				p.Evidence.Signer = fmt.Sprintf("AC%032x", n)
				return p
			},
			func(ctx context.Context, tx pgx.Tx, n int) error {
				return postgres.AddAccountIn(ctx, tx, &tenants.NewAccount{Provider: tenants.Twilio, Name: fmt.Sprintf("AC%032x", n), Orgs: []events.OrgID{w.orgA}})
			},
			testkit.Operator, postgres.IndifferentToAccounts, 10, 5, 4,
		},
	}
}

// race plays one schedule of parking event n against recording its send, and
// tells whether the wake-up was lost.
func (w *world) race(t testing.TB, pool, recorders *pgxpool.Pool, c contest, n int, schedule []int, park parkFunc) (lost, waited bool) {
	t.Helper()
	ctx := t.Context()
	p := c.parking(n)
	var decisions []tenantmap.Decision
	parker := begin(ctx, pool, c.free, func(ctx context.Context, tx pgx.Tx) (err error) {
		decisions, err = park(ctx, tx, []tenantmap.Unsettled{p})
		return err
	})
	recorder := begin(ctx, recorders, c.free, func(ctx context.Context, tx pgx.Tx) error {
		return c.record(ctx, tx, n)
	})
	errs, waited := play(ctx, t, w.owner, schedule, parker, recorder)
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	if decisions[0].Outcome == "" {
		require.Equal(t, w.orgA, decisions[0].Org)
		return false, waited
	}
	return w.lost(t, p.Held.EventID), waited
}

func TestParkingNeverLosesAWakeUpInAnyInterleaving(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pool := w.db.Pool(t, testkit.Router)
	for name, c := range w.contests(t) {
		recorders := w.db.Pool(t, c.role)
		schedules := interleavings(c.parker, c.recorder)
		waits := 0
		for n, schedule := range schedules {
			lost, waited := w.race(t, pool, recorders, c, n, schedule, postgres.SettleIn)
			require.False(t, lost, "%s: the wake-up is lost in the schedule %v", name, schedule)
			if waited {
				waits++
			}
		}
		require.NotZero(t, waits, "%s: the lock was never contended: the schedules do not test it", name)
		t.Logf("%s: %d interleavings, %d of them waited for the lock, 0 lost wake-ups", name, len(schedules), waits)
	}
}

func TestParkingWithoutTheLockLosesWakeUps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pool := w.db.Pool(t, testkit.Router)
	for name, c := range w.contests(t) {
		recorders := w.db.Pool(t, c.role)
		schedules := interleavings(c.unlocked, c.recorder)
		lost := 0
		for n, schedule := range schedules {
			if l, _ := w.race(t, pool, recorders, c, n, schedule, postgres.SettleUnlockedIn); l {
				lost++
			}
		}
		require.NotZero(t, lost, "%s: the race that the lock closes cannot be shown", name)
		t.Logf("%s: %d interleavings without the lock, %d lost wake-ups", name, len(schedules), lost)
	}
}

// Routers park under the same account or number at the same time, one after the
// other, and whoever records the key has its turn all the same: with shared
// locks it might wait for ever.
func TestRegressionParkersDoNotStarveTheRecorder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const number = "+12025550123"
	const stranger = "AC000000000000000000000000000000dd" // nobody's yet
	parking := func(n int) tenantmap.Unsettled {
		p := w.early(n)
		p.Evidence.Kind, p.Evidence.Signer = events.KindMessage, stranger
		p.Evidence.Senders = []tenantmap.Key{tenantmap.SenderKey(number)}
		p.Held.Keys = p.Evidence.Keys()
		return p
	}

	stop, parked := make(chan struct{}), make(chan error, 1000)
	var parkers sync.WaitGroup
	var next atomic.Int64
	next.Store(100)
	for range 2 {
		routing := postgres.NewRouting(w.open(t, testkit.Router))
		for range 4 {
			parkers.Go(func() {
				for {
					batch := make([]tenantmap.Unsettled, 20)
					from := int(next.Add(int64(len(batch))))
					for i := range batch {
						batch[i] = parking(from + i)
					}
					_, _, err := routing.Settle(t.Context(), batch)
					select {
					case parked <- err:
					case <-stop:
						return
					}
				}
			})
		}
	}
	for range 40 {
		require.NoError(t, <-parked)
	}
	past := noon.Add(-time.Hour)
	_, err := operator(t, w).AddSender(t.Context(), tenants.NewSender{Org: w.orgA, Kind: tenants.Number, Value: number, From: &past})
	require.NoError(t, err, "it has its turn before its lock timeout")
	close(stop)
	parkers.Wait()
	w.wakeAll(t)
	var lost int
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_events WHERE state = 'parked' AND NOT ready").Scan(&lost))
	require.Zero(t, lost, "what was parked before is ready, and nothing was parked behind it")
}

// An operator says whose an event is in the moment in which it comes once more
// and is held again: it goes to that organisation all the same.
func TestAnOperatorsWordIsHeardInAnyInterleaving(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pool, operators := w.db.Pool(t, testkit.Router), w.db.Pool(t, testkit.Operator)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	again := contest{
		parking: func(n int) tenantmap.Unsettled {
			u := w.early(n)
			_, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{u})
			require.NoError(t, err)
			u.Held.Receipt = events.NewReceiptID()
			return u
		},
		record: func(ctx context.Context, tx pgx.Tx, n int) error {
			return postgres.AssignIn(ctx, tx, w.early(n).Held.EventID, w.orgA)
		},
		free: postgres.IndifferentToAssigning,
	}
	heard := 0
	schedules := interleavings(7, 4)
	for n, schedule := range schedules {
		lost, waited := w.race(t, pool, operators, again, n, schedule, postgres.SettleIn)
		require.False(t, lost, "the word is lost in the schedule %v", schedule)
		if waited {
			heard++
		}
		d, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{w.early(n)})
		require.NoError(t, err)
		require.Equal(t, w.orgA, d[0].Org)
		require.Contains(t, []string{tenantmap.ByOperator, tenantmap.ByResource}, d[0].By, "its id is entered by then, or will be")
	}
	require.NotZero(t, heard, "the two never met")
	t.Logf("%d interleavings, %d of them waited for the lock, 0 lost words", len(schedules), heard)
}
