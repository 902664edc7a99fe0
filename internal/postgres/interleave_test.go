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
)

// actor runs one transaction statement by statement: before each one, and
// before its commit, it waits for its turn.
type actor struct {
	pid     uint32
	free    []string      // statements, or how they begin, that wait for no turn
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
	a := &actor{free: free, turn: make(chan struct{}), arrived: make(chan struct{}), done: make(chan error, 1)}
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
		}()
	}()
	<-ready
	return a
}

// state of an actor between turns.
type state uint8

const (
	running  state = iota // a statement is on its way
	standing              // before its next statement
	blocked               // its statement waits for another transaction
	over
)

// settle waits until an actor stands, is over, or waits for a lock. Whether it
// waits is the server's word, not a matter of time.
func settle(ctx context.Context, t testing.TB, watch *pgxpool.Pool, a *actor) (state, error) {
	t.Helper()
	for {
		select {
		case <-a.arrived:
			return standing, nil
		case err := <-a.done:
			return over, err
		default:
		}
		var waits bool
		err := watch.QueryRow(ctx, "SELECT cardinality(pg_blocking_pids($1)) > 0", a.pid).Scan(&waits)
		require.NoError(t, err)
		if waits {
			return blocked, nil
		}
	}
}

// play lets two actors take turns as the schedule says (false = first). One
// that waits for the other's lock, or is over, gives its turn away. It returns
// how each ended, and whether any turn was given away because of a lock.
func play(ctx context.Context, t testing.TB, watch *pgxpool.Pool, schedule []bool, actors [2]*actor) (errs [2]error, waited bool) {
	t.Helper()
	var now [2]state
	for i := range actors {
		now[i], errs[i] = settle(ctx, t, watch, actors[i])
	}
	turn := func(i int) {
		actors[i].turn <- struct{}{}
		now[i], errs[i] = settle(ctx, t, watch, actors[i])
		if o := 1 - i; now[o] == blocked {
			now[o], errs[o] = settle(ctx, t, watch, actors[o])
		}
		waited = waited || now[i] == blocked
	}
	pick := func(want int) bool {
		for _, i := range []int{want, 1 - want} {
			if now[i] == standing {
				turn(i)
				return true
			}
		}
		return false
	}
	for _, second := range schedule {
		want := 0
		if second {
			want = 1
		}
		if !pick(want) {
			break
		}
	}
	for pick(0) {
	}
	require.Equal(t, [2]state{over, over}, now, "both transactions end")
	return errs, waited
}

// interleavings returns every order of n turns of the first and m of the second.
func interleavings(n, m int) [][]bool {
	if n == 0 && m == 0 {
		return [][]bool{nil}
	}
	var out [][]bool
	if n > 0 {
		for _, rest := range interleavings(n-1, m) {
			out = append(out, append([]bool{false}, rest...))
		}
	}
	if m > 0 {
		for _, rest := range interleavings(n, m-1) {
			out = append(out, append([]bool{true}, rest...))
		}
	}
	return out
}
