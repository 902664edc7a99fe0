package postgres_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/postgres"
)

// actor runs one transaction statement by statement: before each one, and
// before its commit, it waits for its turn.
type actor struct {
	pid     uint32
	free    []string      // statements, or how they begin, that wait for no turn
	anew    bool          // the transaction begins anew when another was faster
	turn    chan struct{} // a token lets one statement go
	arrived chan struct{} // the actor stands before its next statement
	done    chan error
}

// step waits for the actor's turn.
func (a *actor) step(sql string) {
	if slices.ContainsFunc(a.free, func(free string) bool { return strings.HasPrefix(sql, free) }) {
		return
	}
	a.arrived <- struct{}{}
	<-a.turn
}

// steppedTx is a real transaction whose statements wait for their turn. A
// pipeline is taken apart, so that every statement is a step.
type steppedTx struct {
	pgx.Tx
	actor *actor
}

func (t *steppedTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	t.actor.step(sql)
	return t.Tx.Exec(ctx, sql, args...)
}

func (t *steppedTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	t.actor.step(sql)
	return t.Tx.Query(ctx, sql, args...)
}

func (t *steppedTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	results := &steppedResults{}
	for _, q := range b.QueuedQueries {
		t.actor.step(q.SQL)
		one := &pgx.Batch{QueuedQueries: []*pgx.QueuedQuery{q}}
		if results.err = t.Tx.SendBatch(ctx, one).Close(); results.err != nil {
			break
		}
	}
	return results
}

// steppedResults stands for a pipeline whose callbacks have all run.
type steppedResults struct {
	pgx.BatchResults
	err error
}

func (r *steppedResults) Close() error { return r.err }

// begin starts an actor: body in a transaction, then its commit. Statements
// that are free wait for no turn.
func begin(ctx context.Context, pool *pgxpool.Pool, free []string, body func(context.Context, pgx.Tx) error) *actor {
	return start(ctx, pool, &actor{free: free}, body)
}

// start starts an actor as begin does.
func start(ctx context.Context, pool *pgxpool.Pool, a *actor, body func(context.Context, pgx.Tx) error) *actor {
	a.turn, a.arrived, a.done = make(chan struct{}), make(chan struct{}), make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		var once sync.Once
		a.done <- func() error {
			conn, err := pool.Acquire(ctx)
			if err != nil {
				once.Do(func() { close(ready) })
				return err
			}
			defer conn.Release()
			a.pid = conn.Conn().PgConn().PID()
			once.Do(func() { close(ready) })
			for {
				err := a.attempt(ctx, conn, body)
				if !a.anew || !postgres.Retryable(err) {
					return err
				}
			}
		}()
	}()
	<-ready
	return a
}

func (a *actor) attempt(ctx context.Context, conn *pgxpool.Conn, body func(context.Context, pgx.Tx) error) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if err := body(ctx, &steppedTx{tx, a}); err != nil {
		_ = tx.Rollback(ctx)
		return err
	}
	a.step("commit")
	return tx.Commit(ctx)
}

// state of an actor between turns.
type state uint8

const (
	running  state = iota // a statement is on its way
	standing              // before its next statement
	blocked               // its statement waits for another transaction
	over
)

// settle waits until an actor stands, is over, or waits for a lock of one of the
// others. Whether it waits is the server's word, not a matter of time; a lock of
// somebody who does not play, as the server's own vacuum, passes by itself.
func settle(ctx context.Context, t testing.TB, watch *pgxpool.Pool, a *actor, actors []*actor) (state, error) {
	t.Helper()
	var playing []int32
	for _, o := range actors {
		playing = append(playing, int32(o.pid)) //nolint:gosec // a process id of the server
	}
	for {
		select {
		case <-a.arrived:
			return standing, nil
		case err := <-a.done:
			return over, err
		default:
		}
		var waits bool
		err := watch.QueryRow(ctx, "SELECT pg_blocking_pids($1) && $2::int[]", a.pid, playing).Scan(&waits)
		require.NoError(t, err)
		if waits {
			return blocked, nil
		}
	}
}

// play lets actors take turns as the schedule says. One that waits for another's
// lock, or is over, gives its turn away. It returns how each ended, and whether
// any turn was given away because of a lock.
func play(ctx context.Context, t testing.TB, watch *pgxpool.Pool, schedule []int, actors ...*actor) (errs []error, waited bool) {
	t.Helper()
	now := make([]state, len(actors))
	errs = make([]error, len(actors))
	for i := range actors {
		now[i], errs[i] = settle(ctx, t, watch, actors[i], actors)
	}
	turn := func(i int) {
		actors[i].turn <- struct{}{}
		now[i], errs[i] = settle(ctx, t, watch, actors[i], actors)
		for o := range actors {
			if o != i && now[o] == blocked {
				now[o], errs[o] = settle(ctx, t, watch, actors[o], actors)
			}
		}
		waited = waited || now[i] == blocked
	}
	pick := func(want int) bool {
		for i := range actors {
			if i := (want + i) % len(actors); now[i] == standing {
				turn(i)
				return true
			}
		}
		return false
	}
	for _, want := range schedule {
		if !pick(want) {
			break
		}
	}
	for pick(0) {
	}
	for i := range now {
		require.Equal(t, over, now[i], "every transaction ends")
	}
	return errs, waited
}

// interleavings returns every order of so many turns of each actor.
func interleavings(turns ...int) [][]int {
	var out [][]int
	for i, n := range turns {
		if n == 0 {
			continue
		}
		left := slices.Clone(turns)
		left[i]--
		for _, rest := range interleavings(left...) {
			out = append(out, append([]int{i}, rest...))
		}
	}
	if out == nil {
		return [][]int{nil}
	}
	return out
}
