package gather_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/gather"
)

// transactions takes note of what went into each one, in order of size and name.
type transactions struct {
	mu   sync.Mutex
	seen []string
	fail map[string]error // by a name in it
}

func (tx *transactions) run(_ context.Context, in []string) ([]int, error) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	sorted := slices.Sorted(slices.Values(in))
	all := ""
	for _, name := range sorted {
		all += name
	}
	tx.seen = append(tx.seen, all)
	out := make([]int, len(in))
	for i, name := range in {
		if err := tx.fail[name]; err != nil {
			return nil, err
		}
		out[i], _ = strconv.Atoi(name)
	}
	return out, nil
}

func newGatherer(tx *transactions) *gather.Gatherer[string, int] {
	return gather.New(gather.Options[string, int]{Run: tx.run, Pause: time.Second, Most: 10, Patience: time.Minute})
}

// ask has each of the names asked for by a partition of its own, after a first
// one has just begun a transaction; it returns what each was told.
func ask(t *testing.T, tx *transactions, names ...string) map[string]error {
	t.Helper()
	told := map[string]error{}
	synctest.Test(t, func(t *testing.T) {
		g := newGatherer(tx)
		_, err := g.Do(t.Context(), "0")
		require.NoError(t, err)
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, name := range names {
			all.Go(func() {
				out, err := g.Do(t.Context(), name)
				if err == nil {
					n, _ := strconv.Atoi(name)
					require.Equal(t, []int{n}, out, "each is told its own")
				}
				mu.Lock()
				defer mu.Unlock()
				told[name] = err
			})
		}
		all.Wait()
	})
	return told
}

func TestPartitionsShareATransaction(t *testing.T) {
	t.Parallel()
	tx := &transactions{}
	require.Equal(t, map[string]error{"1": nil, "2": nil, "3": nil}, ask(t, tx, "1", "2", "3"))
	require.Equal(t, []string{"0", "123"}, tx.seen)
}

// A record that cannot be done keeps nobody else's from being done.
func TestWhatFailsForItsOwnReasonFailsAlone(t *testing.T) {
	t.Parallel()
	for _, class := range []fault.Class{fault.Invalid, fault.Internal} {
		bad := fault.New(class, "bad")
		tx := &transactions{fail: map[string]error{"2": bad}}
		require.Equal(t, map[string]error{"1": nil, "2": bad, "3": nil}, ask(t, tx, "1", "2", "3"))
		slices.Sort(tx.seen)
		require.Equal(t, []string{"0", "1", "123", "2", "3"}, tx.seen)
	}
}

// While the database is away nobody asks it more often than before.
func TestAnOutageFailsAllAtOnce(t *testing.T) {
	t.Parallel()
	away := fault.New(fault.Unavailable, "away")
	tx := &transactions{fail: map[string]error{"2": away}}
	require.Equal(t, map[string]error{"1": away, "2": away, "3": away}, ask(t, tx, "1", "2", "3"))
	require.Equal(t, []string{"0", "123"}, tx.seen)
}

// A partition that is taken away leaves; what it brought is not done later.
func TestWhoLeavesIsForgotten(t *testing.T) {
	t.Parallel()
	tx := &transactions{}
	synctest.Test(t, func(t *testing.T) {
		g := newGatherer(tx)
		_, err := g.Do(t.Context(), "0")
		require.NoError(t, err)
		gone, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_, err := g.Do(gone, "1")
			require.ErrorIs(t, err, context.Canceled)
		})
		all.Go(func() {
			_, err := g.Do(t.Context(), "2")
			require.NoError(t, err, "its partition stays")
		})
		synctest.Wait() // both wait for the pace
		leave()
		all.Wait()
	})
	require.Equal(t, []string{"0", "2"}, tx.seen)
}

// What is over the most that goes into one transaction waits for the next;
// whoever brings more than that has one alone.
func TestATransactionTakesNoMoreThanTheMost(t *testing.T) {
	t.Parallel()
	tx := &transactions{}
	synctest.Test(t, func(t *testing.T) {
		g := gather.New(gather.Options[string, int]{
			Run: tx.run, Pause: time.Second, Most: 10, Patience: time.Minute,
			Size: func(name string) int { n, _ := strconv.Atoi(name); return n },
		})
		_, err := g.Do(t.Context(), "0")
		require.NoError(t, err)
		began := time.Now()
		var all sync.WaitGroup
		for _, brought := range [][]string{{"6"}, {"1", "3"}, {"5"}, {"25"}, {"2"}} {
			all.Go(func() {
				_, err := g.Do(t.Context(), brought...)
				require.NoError(t, err)
			})
			synctest.Wait() // they come one after the other
		}
		all.Wait()
		require.Equal(t, 2*time.Second, time.Since(began), "a pause behind the first, and one before the last: else there was a whole one waiting")
	})
	require.Equal(t, []string{"0", "136", "5", "25", "2"}, tx.seen)
}

// A transaction goes on for those who are left, but not for ever.
func TestATransactionEndsThoughItsCallerHasGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ended := make(chan error, 1)
		g := gather.New(gather.Options[string, int]{
			Pause: time.Second, Most: 10, Patience: time.Minute,
			Run: func(ctx context.Context, in []string) ([]int, error) {
				if in[0] == "stuck" {
					<-ctx.Done()
					ended <- ctx.Err()
					return nil, ctx.Err()
				}
				return make([]int, len(in)), nil
			},
		})
		gone, leave := context.WithCancel(t.Context())
		var caller sync.WaitGroup
		caller.Go(func() {
			_, err := g.Do(gone, "stuck")
			require.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		leave()
		caller.Wait()
		require.Zero(t, time.Since(began), "nobody is kept")
		require.Empty(t, ended)
		_, err := g.Do(t.Context(), "next")
		require.NoError(t, err)
		require.ErrorIs(t, <-ended, context.DeadlineExceeded)
		require.Equal(t, time.Minute+time.Second, time.Since(began))
	})
}

// Callers come back a moment after their answer. The pause is there so that
// those of one transaction are together in the next too.
func TestCallersOfATransactionMeetInTheNext(t *testing.T) {
	t.Parallel()
	tx := &transactions{}
	synctest.Test(t, func(t *testing.T) {
		g := newGatherer(tx)
		_, err := g.Do(t.Context(), "0")
		require.NoError(t, err)
		var all sync.WaitGroup
		for n := 1; n <= 3; n++ {
			all.Go(func() {
				for range 4 {
					_, err := g.Do(t.Context(), strconv.Itoa(n))
					require.NoError(t, err)
					<-time.After(time.Duration(n) * 100 * time.Millisecond) // its own work
				}
			})
		}
		all.Wait()
	})
	require.Equal(t, []string{"0", "123", "123", "123", "123"}, tx.seen)
}

// As many transactions run at a time as there are turns, and no more.
func TestTransactionsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		running, most := 0, 0
		var mu sync.Mutex
		count := func(by int) {
			mu.Lock()
			defer mu.Unlock()
			running += by
			most = max(most, running)
		}
		g := gather.New(gather.Options[string, int]{
			Most: 1, Patience: time.Minute, Turns: gather.NewTurns(2),
			Run: func(_ context.Context, in []string) ([]int, error) {
				count(1)
				defer count(-1)
				<-time.After(time.Second)
				return make([]int, len(in)), nil
			},
		})
		began := time.Now()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				_, err := g.Do(t.Context(), "one")
				require.NoError(t, err)
			})
		}
		all.Wait()
		require.Equal(t, 2, most)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

// Whoever is part of a transaction leaves the other turns to others: one alone with
// two of them waits for it as everybody does.
func TestATurnTooManyIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := gather.NewTurns(2)
		slow := gather.New(gather.Options[string, int]{
			Most: 10, Patience: time.Minute, Turns: turns,
			Run: func(_ context.Context, in []string) ([]int, error) {
				<-time.After(time.Second)
				return make([]int, len(in)), nil
			},
		})
		var all sync.WaitGroup
		all.Go(func() {
			_, err := slow.Do(t.Context(), "one")
			require.NoError(t, err)
		})
		synctest.Wait()
		require.Len(t, turns, 1, "its own")
		all.Wait()
		<-time.After(time.Millisecond) // the turn is given back
		synctest.Wait()
		require.Empty(t, turns)
	})
}

// Nobody pauses to gather what is there already.
func TestAFullTransactionDoesNotPause(t *testing.T) {
	t.Parallel()
	tx := &transactions{}
	synctest.Test(t, func(t *testing.T) {
		g := gather.New(gather.Options[string, int]{Run: tx.run, Pause: time.Second, Most: 2, Patience: time.Minute})
		_, err := g.Do(t.Context(), "0")
		require.NoError(t, err)
		began := time.Now()
		var all sync.WaitGroup
		for _, name := range []string{"1", "2", "3", "4", "5"} {
			all.Go(func() {
				_, err := g.Do(t.Context(), name)
				require.NoError(t, err)
			})
			synctest.Wait() // they come one after the other
		}
		all.Wait()
		require.Equal(t, 2*time.Second, time.Since(began), "a pause behind the first, which had nobody behind it, and one before the last")
	})
	require.Equal(t, []string{"0", "12", "34", "5"}, tx.seen)
}
