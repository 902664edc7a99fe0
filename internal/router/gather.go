package router

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"waybill/internal/fault"
)

const (
	// A transaction costs more than what is done in it for the few records of
	// one partition: each kind is begun so often at most, at once after a quiet
	// moment.
	gatherEvery = 20 * time.Millisecond
	gatherMost  = 1000 // of one kind in a transaction, unless one partition brings more
)

// gather puts what several partitions bring at about the same time into one
// transaction. What fails for a reason of its own fails alone: the others are
// done again without it. It is safe for concurrent use.
type gather[In, Out any] struct {
	run  func(context.Context, []In) ([]Out, error) // one answer for each; all or nothing
	pace *rate.Limiter
	turn chan struct{} // taken while a transaction runs

	mu      sync.Mutex
	waiting []*asked[In, Out]
}

// asked is what one partition brings. Its answer is there once done is closed.
type asked[In, Out any] struct {
	in   []In
	out  []Out
	err  error
	done chan struct{}
}

func newGather[In, Out any](every time.Duration, run func(context.Context, []In) ([]Out, error)) *gather[In, Out] {
	return &gather[In, Out]{run: run, pace: rate.NewLimiter(rate.Every(every), 1), turn: make(chan struct{}, 1)}
}

// do returns one answer for each of in. When ctx ends before, it may have been
// done or not.
func (g *gather[In, Out]) do(ctx context.Context, in []In) ([]Out, error) {
	if len(in) == 0 {
		return nil, nil
	}
	a := &asked[In, Out]{in: in, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, a)
	g.mu.Unlock()
	for {
		select {
		case <-a.done:
			return a.out, a.err
		case g.turn <- struct{}{}:
			// Not the caller's context: its partition may go, those of the others stay.
			go g.next(context.WithoutCancel(ctx))
		case <-ctx.Done():
			g.forget(a)
			return nil, ctx.Err()
		}
	}
}

// next runs one transaction of what waits, and gives the turn back.
func (g *gather[In, Out]) next(ctx context.Context) {
	defer func() { <-g.turn }()
	_ = g.pace.Wait(ctx) // it fails with ctx alone
	batch := g.take()
	if len(batch) == 0 {
		return
	}
	if len(batch) == 1 || !g.together(ctx, batch) {
		for _, a := range batch {
			a.out, a.err = g.run(ctx, a.in)
			close(a.done)
		}
	}
}

// together answers all at once; false if one of them made the others fail.
func (g *gather[In, Out]) together(ctx context.Context, batch []*asked[In, Out]) bool {
	var in []In
	for _, a := range batch {
		in = append(in, a.in...)
	}
	out, err := g.run(ctx, in)
	if err != nil && fault.ClassOf(err) != fault.Unavailable {
		return false
	}
	for _, a := range batch {
		if a.err = err; err == nil {
			a.out, out = out[:len(a.in):len(a.in)], out[len(a.in):]
		}
		close(a.done)
	}
	return true
}

func (g *gather[In, Out]) take() []*asked[In, Out] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, sum := 0, 0
	for n < len(g.waiting) && (n == 0 || sum+len(g.waiting[n].in) <= gatherMost) {
		sum += len(g.waiting[n].in)
		n++
	}
	batch := g.waiting[:n:n]
	g.waiting = slices.Clone(g.waiting[n:])
	return batch
}

// forget drops what nobody waits for any more, unless it is being done.
func (g *gather[In, Out]) forget(a *asked[In, Out]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(w *asked[In, Out]) bool { return w == a })
}
