// Package gather lets partitions that are handled side by side share
// transactions: one that does a little for each of them costs far less than one
// of each.
package gather

import (
	"context"
	"slices"
	"sync"
	"time"

	"waybill/internal/fault"
)

// Options describe what is shared.
type Options[In, Out any] struct {
	// Run does a transaction for what several callers brought, all or nothing,
	// and returns one answer for each.
	Run func(context.Context, []In) ([]Out, error)
	// Pause is the least time from the end of a transaction to the beginning of
	// the next: callers of the one come back in it and are part of the other.
	// After a quiet moment one begins at once, and so it does when a whole one
	// waits as the last ends.
	Pause time.Duration
	// Most is how much goes into one transaction, unless one caller brings more.
	Most int
	// Size is how much something counts; nil = 1.
	Size func(In) int
	// Patience is how long Run may take: it outlives whoever called.
	Patience time.Duration
	// Turns bounds the transactions at a time, those of all gatherers together that
	// are given the same; nil = one.
	Turns Turns
}

// Turns are taken by transactions while they run and while the pause behind them lasts.
type Turns chan struct{}

// NewTurns returns so many turns.
func NewTurns(n int) Turns { return make(Turns, n) }

// Gatherer puts what several callers bring at about the same time into one
// transaction. What fails for a reason of its own fails alone: the others are done
// again without it. It is safe for concurrent use.
type Gatherer[In, Out any] struct {
	Options[In, Out]

	mu      sync.Mutex
	waiting []*asked[In, Out]
}

// asked is what one caller brings. Its answer is there once done is closed.
type asked[In, Out any] struct {
	in    []In
	size  int
	begun chan struct{} // closed when it is part of a transaction
	out   []Out
	err   error
	done  chan struct{}
}

// New returns a gatherer.
func New[In, Out any](o Options[In, Out]) *Gatherer[In, Out] {
	if o.Size == nil {
		o.Size = func(In) int { return 1 }
	}
	if o.Turns == nil {
		o.Turns = NewTurns(1)
	}
	return &Gatherer[In, Out]{Options: o}
}

// Do returns one answer for each of in. When ctx ends before, it may have been
// done or not.
func (g *Gatherer[In, Out]) Do(ctx context.Context, in ...In) ([]Out, error) {
	if len(in) == 0 {
		return nil, nil
	}
	a := &asked[In, Out]{in: in, begun: make(chan struct{}), done: make(chan struct{})}
	for _, one := range in {
		a.size += g.Size(one)
	}
	g.mu.Lock()
	g.waiting = append(g.waiting, a)
	g.mu.Unlock()
	for turns, begun := g.Turns, a.begun; ; {
		select {
		case <-begun:
			turns, begun = nil, nil // others need them
		case <-a.done:
			return a.out, a.err
		case turns <- struct{}{}:
			// Not the caller's context: its partition may go, those of the others stay.
			go g.next(context.WithoutCancel(ctx))
		case <-ctx.Done():
			g.forget(a)
			return nil, ctx.Err()
		}
	}
}

// next runs one transaction of what waits, and gives the turn back after a pause.
func (g *Gatherer[In, Out]) next(ctx context.Context) {
	defer g.rest()
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

// rest gives the turn back.
func (g *Gatherer[In, Out]) rest() {
	pause := g.Pause
	if g.full() {
		pause = 0
	}
	time.AfterFunc(pause, func() { <-g.Turns })
}

// full tells whether a whole transaction waits.
func (g *Gatherer[In, Out]) full() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := 0
	for _, a := range g.waiting {
		sum += a.size
	}
	return sum >= g.Most
}

func (g *Gatherer[In, Out]) run(ctx context.Context, in []In) ([]Out, error) {
	ctx, cancel := context.WithTimeout(ctx, g.Patience)
	defer cancel()
	return g.Run(ctx, in)
}

// together answers all at once; false if one of them made the others fail.
func (g *Gatherer[In, Out]) together(ctx context.Context, batch []*asked[In, Out]) bool {
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

func (g *Gatherer[In, Out]) take() []*asked[In, Out] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, sum := 0, 0
	for n < len(g.waiting) && (n == 0 || sum+g.waiting[n].size <= g.Most) {
		sum += g.waiting[n].size
		n++
	}
	batch := g.waiting[:n:n]
	for _, a := range batch {
		close(a.begun)
	}
	g.waiting = slices.Clone(g.waiting[n:])
	return batch
}

// forget drops what nobody waits for any more, unless it is being done.
func (g *Gatherer[In, Out]) forget(a *asked[In, Out]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(w *asked[In, Out]) bool { return w == a })
}
