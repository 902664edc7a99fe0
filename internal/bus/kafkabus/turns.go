package kafkabus

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

// turns bounds how many partitions that are behind are handled at a time. A
// backlog makes one full batch after another and would take all processors, the
// database's too, so that whatever comes in elsewhere waits at every step. A
// partition that keeps up needs no turn. It is safe for concurrent use.
//
//	fetch left records in the log ─> take a turn ─> handle ─> next in line
//	fetch read to the end ─────────────────────────> handle
type turns struct {
	line   *semaphore.Weighted // first come, first served; nil = no bound
	waited prometheus.Counter  // seconds
}

func newTurns(n int, waited prometheus.Counter) *turns {
	t := &turns{waited: waited}
	if n > 0 {
		t.line = semaphore.NewWeighted(int64(n))
	}
	return t
}

// take waits for a turn if one is needed, as long as ctx allows, and returns
// what ends it. The error is that of ctx.
func (t *turns) take(ctx context.Context, behind bool) (end func(), err error) {
	if !behind || t.line == nil {
		return func() {}, nil
	}
	began := time.Now()
	if err := t.line.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	t.waited.Add(time.Since(began).Seconds())
	return func() { t.line.Release(1) }, nil
}
