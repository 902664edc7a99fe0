package providers_test

import (
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// side is what one side of a pair took.
type side struct {
	perOp  time.Duration // median of the rounds
	allocs uint64        // a call
	bytes  uint64        // a call
}

// result is one pair's. The ratio is the median of the rounds' own ratios, so
// that a round in which the machine did something else counts once.
type result struct {
	pair
	took, bareTook side
	ratio          float64
}

// slice is about how long one side runs before the other does: shorter than a
// turn of the scheduler, so that both sides of a round meet the same machine.
const slice = time.Millisecond

// measure lets the two sides of a pair take turns.
func measure(t testing.TB, p pair, rounds int) result {
	t.Helper()
	n, m := calls(t, p.ours), calls(t, p.bare)
	var ours, bare []time.Duration
	var ratios []float64
	for range rounds {
		a, b := run(t, p.ours, n), run(t, p.bare, m)
		ours, bare = append(ours, a), append(bare, b)
		ratios = append(ratios, float64(a)/float64(b))
	}
	r := result{pair: p, ratio: median(ratios)}
	r.took, r.bareTook = allocations(t, p.ours), allocations(t, p.bare)
	r.took.perOp, r.bareTook.perOp = median(ours), median(bare)
	return r
}

// calls returns how many calls fill a slice, by the best of a few tries: one that
// was held up would make it too few.
func calls(t testing.TB, f func() error) int {
	for n := 1; ; n *= 2 {
		best := run(t, f, n)
		for range 9 {
			best = min(best, run(t, f, n))
		}
		if best*time.Duration(n) > slice/2 || n > 1<<20 {
			return n
		}
	}
}

// run returns the time of one call.
func run(t testing.TB, f func() error, n int) time.Duration {
	start := time.Now()
	for range n {
		if err := f(); err != nil {
			require.NoError(t, err)
		}
	}
	return max(1, time.Since(start)/time.Duration(n))
}

// allocations counts what one call allocates.
func allocations(t testing.TB, f func() error) side {
	const n = 100
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))  // others allocate as well
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the standard library's pools
	run(t, f, n)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run(t, f, n)
	runtime.ReadMemStats(&after)
	return side{allocs: (after.Mallocs - before.Mallocs) / n, bytes: (after.TotalAlloc - before.TotalAlloc) / n}
}

func median[T time.Duration | float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// live returns the bytes that are in use now.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
