package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/retention"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

// aged makes a row of the map that was recorded so long ago, a mapping of
// organisation A or a placeholder, and returns its key.
func (w *world) aged(t testing.TB, key tenantmap.Key, mapped bool, age time.Duration) string {
	t.Helper()
	var org, row *string
	if mapped {
		a, r := string(w.orgA), uuid.NewString()
		org, row = &a, &r
	}
	w.exec(t, `INSERT INTO tenant_map (key, org_id, row_id, recorded_at) VALUES ($1, $2, $3, now() - $4::interval)
		ON CONFLICT (key) DO UPDATE SET recorded_at = excluded.recorded_at WHERE tenant_map.org_id IS NULL`, key.String(), org, row, age)
	return key.String()
}

func (w *world) mapped(t testing.TB) []string {
	t.Helper()
	return collect(t, w.owner, pgx.RowTo[string], "SELECT key FROM tenant_map ORDER BY key")
}

func resource(n int) tenantmap.Key { return tenantmap.ResourceKey(events.Twilio, sid(n)) }

func TestWhatNobodyAsksForLeavesTheMap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := postgres.NewRetention(w.open(t, testkit.Worker))
	hold := func(n int, keys ...tenantmap.Key) {
		h := w.early(n).Held
		h.State, h.Reason, h.Keys, h.Named = events.Parked, "test", keys, ""
		if len(keys) == 0 { // it names a key that cannot free it
			h.State, h.Named = events.Quarantined, resource(n).String()
		}
		require.NoError(t, postgres.NewRouting(w.open(t, testkit.Router)).Hold(t.Context(), []tenantmap.Held{h}))
	}
	stay := []string{
		w.aged(t, resource(1), true, 89*days),
		w.aged(t, resource(2), true, 91*days), // scheduled
		w.aged(t, resource(3), true, 91*days), // waited for
		w.aged(t, resource(4), true, 91*days), // named
		w.aged(t, resource(5), false, 23*time.Hour),
		w.aged(t, resource(6), false, 91*days), // waited for
	}
	w.exec(t, "UPDATE tenant_map SET sent_at = recorded_at + interval '30 days' WHERE key = $1", stay[1])
	hold(3, resource(3))
	hold(4)
	hold(6, resource(6))
	w.aged(t, resource(11), true, 91*days)
	w.aged(t, tenantmap.EchoKey(uuid.NewString()), true, 91*days)
	w.exec(t, "UPDATE tenant_map SET sent_at = now() + interval '1 year' WHERE key = $1", w.aged(t, resource(12), true, 126*days)) // nobody's clock
	w.aged(t, resource(13), false, 25*time.Hour)
	w.aged(t, tenantmap.AccountKey(events.Twilio, w.signB), false, 25*time.Hour)
	w.aged(t, tenantmap.SenderKey("+15550100001"), false, 25*time.Hour)

	n, oldest := sweep(t, s, s.Relations(retention.Map), time.Now().Add(-90*days))
	require.EqualValues(t, 6, n)
	require.Equal(t, stay, w.mapped(t))
	require.WithinDuration(t, time.Now().Add(-91*days), *oldest, time.Hour, "of mappings, not of placeholders")

	n, _ = sweep(t, s, s.Relations(retention.Map), time.Time{})
	require.Zero(t, n, "mappings that are kept for ever")
	w.exec(t, "DELETE FROM held_events")
	n, _ = sweep(t, s, s.Relations(retention.Map), time.Time{})
	require.EqualValues(t, 1, n, "a placeholder goes with what waited under it")
	n, _ = sweep(t, s, s.Relations(retention.Map), time.Now().Add(-90*days))
	require.EqualValues(t, 2, n, "and a mapping")
}

// What is asked for, or entered again, does not expire; and what comes too late
// waits for whoever records it anew.
func TestAMappingIsRenewedByItsUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := postgres.NewRetention(w.open(t, testkit.Worker))
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	for n := range 4 {
		_, _, err := routing.RecordSends(t.Context(), []tenantmap.Send{w.send(n)})
		require.NoError(t, err)
	}
	age := func(interval string) {
		w.exec(t, "UPDATE tenant_map SET recorded_at = now() - $1::interval, sent_at = NULL", interval)
	}
	ages := func() (renewed int) {
		require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM tenant_map WHERE recorded_at > now() - interval '1 minute'").Scan(&renewed))
		return renewed
	}
	use := func(n int) {
		facts, err := routing.Lookup(t.Context(), []tenantmap.Key{resource(n), resource(99)})
		require.NoError(t, err)
		require.Equal(t, w.orgA, facts.Mappings[resource(n)].Org)
	}
	age("6 days")
	use(1)
	require.Zero(t, ages(), "no write for every event")
	age("80 days")
	holder, err := w.owner.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = holder.Rollback(context.Background()) }()
	_, err = holder.Exec(t.Context(), "SELECT FROM tenant_map WHERE key = $1 FOR SHARE", resource(1).String())
	require.NoError(t, err)
	use(1) // does not wait
	require.NoError(t, holder.Rollback(t.Context()))
	require.Zero(t, ages())
	use(1)
	_, _, err = routing.RecordSends(t.Context(), []tenantmap.Send{w.send(2)})
	require.NoError(t, err)
	require.Equal(t, 2, ages())
	w.exec(t, "UPDATE tenant_map SET recorded_at = recorded_at - interval '20 days', sent_at = NULL")
	n, _ := sweep(t, s, s.Relations(retention.Map), time.Now().Add(-90*days))
	require.EqualValues(t, 2, n)
	require.Equal(t, []string{resource(1).String(), resource(2).String()}, w.mapped(t))

	late := w.early(3)
	decisions, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{late})
	require.NoError(t, err)
	require.Equal(t, events.Parked, decisions[0].Outcome)
	_, ready, err := routing.RecordSends(t.Context(), []tenantmap.Send{w.send(3)})
	require.NoError(t, err)
	require.EqualValues(t, 1, ready)
}

func TestConversationsExpireUnlessAStopStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const shared = "+15550100005"
	w.share(t, shared)
	s := postgres.NewRetention(w.open(t, testkit.Worker))
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	old := time.Now().Add(-400 * days)
	sends := 0
	write := func(org events.OrgID, n int, at time.Time) *events.Message {
		sends++
		entries, _, err := routing.RecordSends(t.Context(), []tenantmap.Send{w.outbound(org, sends, shared, personOf(n), at)})
		require.NoError(t, err)
		return entries[0].Asked
	}
	ask := func(n int, stop bool, at time.Time) {
		_, err := routing.Ask(t.Context(), []tenantmap.Request{w.request(n, shared, stop, at)})
		require.NoError(t, err)
	}
	write(w.orgA, 1, old) // nothing asked
	write(w.orgA, 2, old)
	write(w.orgB, 2, time.Now())
	write(w.orgA, 3, old)
	ask(3, true, old) // told, and to be told once more
	write(w.orgA, 4, old)
	ask(4, false, old)
	ask(5, true, old) // of nobody
	ask(6, true, time.Now())

	kept := func(table string) []string {
		return collect(t, w.owner, pgx.RowTo[string], "SELECT person FROM "+table+" ORDER BY 1")
	}
	before := time.Now().Add(-365 * days)
	n, oldest := sweep(t, s, s.Relations(retention.Conversations), before)
	require.EqualValues(t, 3, n)
	require.WithinDuration(t, old, *oldest, time.Hour, "the STOP's")
	require.Equal(t, []string{personOf(2), personOf(3)}, kept("conversations"))
	n, _ = sweep(t, s, s.Relations(retention.Requests), before)
	require.EqualValues(t, 1, n)
	require.Equal(t, []string{personOf(3), personOf(6)}, kept("sender_requests"), "a START went with the last conversation")
	require.NotNil(t, write(w.orgB, 3, time.Now()), "whoever writes next hears of the STOP")

	n, _ = sweep(t, s, s.Relations(retention.Map), time.Time{})
	require.Zero(t, n)
	w.exec(t, "UPDATE tenant_map SET recorded_at = now() - interval '2 days' WHERE key LIKE 'conversation=%'")
	n, _ = sweep(t, s, s.Relations(retention.Map), time.Time{})
	require.EqualValues(t, 6, n, "the locks of conversations")

	// A STOP that comes while the last conversation is taken away.
	tx, err := w.owner.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT expired FROM expire_rows('conversations', 0, 1, $1)", time.Now().Add(-100*days))
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "DELETE FROM conversations")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, []string{personOf(3), personOf(6)}, kept("sender_requests"))
}

// expiring is what takes a key's row away while events are parked under it.
type expiring struct {
	mapped bool
	age    time.Duration
}

// lostToExpiry plays one schedule of parking event n, of its send, and of the
// expiry of its key's row, and tells whether the wake-up was lost.
func (w *world) lostToExpiry(t testing.TB, router, worker *pgxpool.Pool, e expiring, n int, schedule []int, park parkFunc) (lost bool, gone int64) {
	t.Helper()
	ctx := t.Context()
	w.aged(t, resource(n), e.mapped, e.age)
	p := w.early(n)
	var decisions []tenantmap.Decision
	parker := start(ctx, router, &actor{free: postgres.ParkingUnseen, anew: true}, func(ctx context.Context, tx pgx.Tx) (err error) {
		decisions, err = park(ctx, tx, []tenantmap.Unsettled{p})
		return err
	})
	expirer := begin(ctx, worker, nil, func(ctx context.Context, tx pgx.Tx) error {
		const expire = "SELECT expired FROM expire_rows('tenant_map', 0, 100000, now() - interval '90 days')"
		rows, err := tx.Query(ctx, expire)
		if err != nil {
			return err
		}
		gone, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
		return err
	})
	recorder := start(ctx, router, &actor{free: postgres.RecordingUnseen, anew: true}, func(ctx context.Context, tx pgx.Tx) error {
		_, _, err := postgres.RecordIn(ctx, tx, []tenantmap.Send{w.send(n)})
		return err
	})
	errs, _ := play(ctx, t, w.owner, schedule, parker, expirer, recorder)
	for _, err := range errs {
		require.NoError(t, err)
	}
	return decisions[0].Outcome != "" && w.lost(t, p.Held.EventID), gone
}

// The turns of each, commit included; a parker that begins anew takes the last.
const (
	expiryParkerSteps   = 4
	expirySteps         = 2
	expiryRecorderSteps = 3
)

func TestExpiryNeverLosesAWakeUpInAnyInterleaving(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]expiring{"a placeholder": {false, 2 * days}, "a mapping": {true, 91 * days}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			router, worker := w.db.Pool(t, testkit.Router), w.db.Pool(t, testkit.Worker)
			schedules := interleavings(expiryParkerSteps, expirySteps, expiryRecorderSteps)
			var gone int64
			for n, schedule := range schedules {
				lost, expired := w.lostToExpiry(t, router, worker, e, n, schedule, postgres.SettleIn)
				require.False(t, lost, "the wake-up is lost in the schedule %v", schedule)
				gone += expired
			}
			require.NotZero(t, gone, "nothing expired: the schedules do not test it")
			t.Logf("%d interleavings, in %d of them the row expired, 0 lost wake-ups", len(schedules), gone)
		})
	}
}

func TestPlaceholdersLockedInTwoStepsLoseWakeUps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	router, worker := w.db.Pool(t, testkit.Router), w.db.Pool(t, testkit.Worker)
	schedules := interleavings(expiryParkerSteps, expirySteps, expiryRecorderSteps)
	lost := 0
	for n, schedule := range schedules {
		if l, _ := w.lostToExpiry(t, router, worker, expiring{false, 2 * days}, n, schedule, postgres.SettleInTwoStepsIn); l {
			lost++
		}
	}
	require.NotZero(t, lost, "the race that one statement closes cannot be shown")
	t.Logf("%d interleavings in two steps, %d lost wake-ups", len(schedules), lost)
}

// Somebody parks under the key: expiry neither waits nor takes the row away.
func TestExpiryPassesOverWhatIsLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := postgres.NewRetention(w.open(t, testkit.Worker))
	held := w.aged(t, resource(1), false, 2*days)
	w.aged(t, resource(2), false, 2*days)
	holder, err := w.db.Pool(t, testkit.Router).Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = holder.Rollback(context.Background()) }()
	_, err = holder.Exec(t.Context(), "SELECT FROM tenant_map WHERE key = $1 FOR SHARE", held)
	require.NoError(t, err)
	n, _ := sweep(t, s, s.Relations(retention.Map), time.Time{})
	require.EqualValues(t, 1, n)
	require.NoError(t, holder.Rollback(t.Context()))
	n, _ = sweep(t, s, s.Relations(retention.Map), time.Time{})
	require.EqualValues(t, 1, n)
}
