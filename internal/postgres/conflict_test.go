package postgres_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// rival is a transaction of somebody else on the same rows.
type rival struct {
	pgx.Tx
	d *desk
}

// rival begins a transaction that never looks for deadlocks, so that whoever
// closes a circle with it finds it.
func (d *desk) rival(t *testing.T) rival {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.db.URL(testkit.Owner))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	r := rival{tx, d}
	require.NoError(t, r.do(t, "SET LOCAL deadlock_timeout = '1h'"))
	return r
}

func (r rival) do(t *testing.T, sql string, args ...any) error {
	t.Helper()
	_, err := r.Exec(t.Context(), sql, args...)
	return err
}

const lockRow = "SELECT FROM sms_messages WHERE id = $1 FOR UPDATE"

// blocks returns once another session waits for this one.
func (r rival) blocks(t *testing.T) {
	t.Helper()
	pid := r.Conn().PgConn().PID()
	require.Eventually(t, func() bool {
		var waiting bool
		err := r.d.owner.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1::int = ANY(pg_blocking_pids(pid)))", pid).Scan(&waiting)
		return err == nil && waiting
	}, 10*time.Second, 5*time.Millisecond, "nobody waits for the rival")
}

// waits returns once this session, which is busy, waits for another one.
func (r rival) waits(t *testing.T) {
	t.Helper()
	pid := r.Conn().PgConn().PID()
	require.Eventually(t, func() bool {
		var waiting bool
		err := r.d.owner.QueryRow(t.Context(), "SELECT cardinality(pg_blocking_pids($1::int)) > 0", pid).Scan(&waiting)
		return err == nil && waiting
	}, 10*time.Second, 5*time.Millisecond, "the rival does not wait")
}

type answer struct {
	effect events.Effect
	err    error
}

// contested applies sends of three messages, then begins to apply their
// delivery; the answer comes when nobody is in the way any more. The rows are
// in the order in which Apply locks them.
func (d *desk) contested(t *testing.T, m *postgres.Messages) (rows []events.RowID, delivered func() <-chan answer) {
	t.Helper()
	d.apply(t, d.sent(d.orgA, 1), d.sent(d.orgA, 2), d.sent(d.orgA, 3))
	rows = []events.RowID{row(d.orgA, 1), row(d.orgA, 2), row(d.orgA, 3)}
	slices.Sort(rows)
	batch := []events.Message{d.status(d.orgA, 1, "delivered", "", 1), d.status(d.orgA, 2, "delivered", "", 1), d.status(d.orgA, 3, "delivered", "", 1)}
	return rows, func() <-chan answer {
		out := make(chan answer, 1)
		go func() {
			effect, err := m.Apply(context.Background(), []bus.Fence{d.fence(len(batch))}, batch)
			out <- answer{effect, err}
		}()
		return out
	}
}

// once requires that the deliveries are applied, and each of them once.
func (d *desk) once(t *testing.T, a answer) {
	t.Helper()
	require.NoError(t, a.err)
	require.Equal(t, map[events.Outcome]int{events.Applied: 3}, a.effect.Outcomes)
	require.Len(t, a.effect.Status, 3)
	require.Zero(t, a.effect.Duplicates)
	for n := range 3 {
		s, version := d.state(t, d.orgA, n+1)
		require.Equal(t, "delivered", s.Status)
		require.EqualValues(t, 2, version)
	}
	kept, recounted := d.counters(t, d.orgA)
	require.Equal(t, map[string]int64{"delivered": 3}, kept)
	require.Equal(t, recounted, kept)
	var timeline int
	require.NoError(t, d.owner.QueryRow(t.Context(), "SELECT count(*) FROM events").Scan(&timeline))
	require.Equal(t, 6, timeline)
}

// A circle that Apply closes: it holds the first row and waits for the last;
// the rival holds the last and waits for the first. PostgreSQL ends one of
// them, Apply, because the rival does not look.
func TestADeadlockIsTriedAgainAndNeverSeen(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	rows, deliver := d.contested(t, d.messages)
	gate, other := d.rival(t), d.rival(t)
	require.NoError(t, gate.do(t, lockRow, rows[1]))
	require.NoError(t, other.do(t, lockRow, rows[2]))
	applied := deliver()
	gate.blocks(t) // Apply holds the first row
	first := make(chan error, 1)
	go func() {
		_, err := other.Exec(context.Background(), lockRow, rows[0])
		first <- err
	}()
	other.waits(t)
	require.NoError(t, gate.Rollback(t.Context()))
	// The rival gets the row that Apply held, which has not ended: it was rolled back.
	require.NoError(t, <-first)
	select {
	case a := <-applied:
		require.FailNow(t, "Apply has given up", "%v", a.err)
	default:
	}
	require.NoError(t, other.Commit(t.Context()))
	d.once(t, <-applied)
}

// A database that is set to a stricter isolation than we ask for refuses to
// lock a row that was changed behind the transaction's snapshot.
func TestASerializationFailureIsTriedAgainAndNeverSeen(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"repeatable read", "serializable"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.exec(t, "ALTER DATABASE "+d.db.Name+" SET default_transaction_isolation = '"+isolation+"'")
			strict := postgres.NewMessages(d.open(t, testkit.Worker), events.GroupWorkers) // a new connection
			rows, deliver := d.contested(t, strict)
			other := d.rival(t)
			require.NoError(t, other.do(t, "UPDATE sms_messages SET updated_at = now() WHERE id = $1", rows[1]))
			applied := deliver()
			other.blocks(t)
			require.NoError(t, other.Commit(t.Context()))
			d.once(t, <-applied)
		})
	}
}
