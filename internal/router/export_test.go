package router

import "context"

// Gather is what lets partitions share a transaction.
type Gather[In, Out any] struct{ g *gather[In, Out] }

// NewGather returns one over a transaction.
func NewGather[In, Out any](run func(context.Context, []In) ([]Out, error)) Gather[In, Out] {
	return Gather[In, Out]{newGather(gatherEvery, run)}
}

// Do is what a partition calls.
func (g Gather[In, Out]) Do(ctx context.Context, in ...In) ([]Out, error) { return g.g.do(ctx, in) }
