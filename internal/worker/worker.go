// Package worker is the apply loop that the domains share: batches of resolved
// events become one transaction, then status events, then acknowledged
// offsets, in this order. A crash between any two of them repeats the batch; the
// ledger in the database tells what was applied, the timeline what must be
// published again.
//
//	fetch ─> decode ─> apply (fence, ids, rows, counters, timeline) ─> publish ─> commit
//	            │         │ permanent error: halve until one record stands alone
//	            └> dead <─┘
//
// It never applies under a position that another worker has taken, and it
// never drops an event because the database or the broker is away.
package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/gather"
	"waybill/internal/obs"
	"waybill/internal/retention"
	"waybill/internal/tenantmap"
)

// Ledger keeps the position of every partition and what no domain can apply.
type Ledger interface {
	// Next returns the position of a partition, false if it is new.
	Next(ctx context.Context, topic string, partition int) (int64, bool, error)
	// Plant makes a new partition's position known.
	Plant(ctx context.Context, topic string, partition int, at int64) error
	// Hold passes the fence and keeps dead events.
	Hold(ctx context.Context, f bus.Fence, held []tenantmap.Held) error
}

// Messages applies message events of some partitions, all or none. See
// bus.ErrFenced and package fault for errors.
type Messages interface {
	Apply(ctx context.Context, fences []bus.Fence, batch []events.Message) (events.Effect, error)
}

// Calls applies call events.
type Calls interface {
	Apply(ctx context.Context, fences []bus.Fence, batch []events.Call) (events.Effect, error)
}

// Billing applies Stripe events.
type Billing interface {
	Apply(ctx context.Context, fences []bus.Fence, batch []events.Billing) (events.Effect, error)
}

// Consumers makes a member of a consumer group.
type Consumers interface {
	Consumer(group string, topics []string, h bus.Handler) bus.Consumer
}

// HealthConsuming is the health check that is good once the workers are
// members of their group.
const HealthConsuming = "workers"

// Options are the workers' parts.
type Options struct {
	Ledger     Ledger
	Messages   Messages
	Calls      Calls
	Billing    Billing
	Campaigns  Campaigns
	Timeline   Timeline
	Expiry     Expiry           // nil = nothing is forgotten
	Keep       retention.Config // how long things are kept; without an interval nothing is forgotten
	Publisher  bus.Publisher
	Consumers  Consumers
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Health     *obs.Health
	Now        func() time.Time // nil = time.Now

	// SharePause is the time between two transactions that partitions of a domain
	// share; 0 = what serves best.
	SharePause time.Duration
}

// Worker is the process. Make it with [New], run it with [Worker.Run].
type Worker struct {
	Options
	metrics   *metrics
	retention *retentionMetrics
	backlogs  gather.Turns

	messages *domain[events.Message]
	calls    *domain[events.Call]
	billing  *domain[events.Billing]
}

// New wires a worker.
func New(o Options) *Worker {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SharePause == 0 {
		o.SharePause = sharePause
	}
	w := &Worker{
		Options: o, metrics: newMetrics(o.Registerer), retention: newRetentionMetrics(o.Registerer), backlogs: newBacklogTurns(),
	}
	w.messages = newDomain(w, o.SharePause, w.messageRules())
	w.calls = newDomain(w, o.SharePause, w.callRules())
	w.billing = newDomain(w, o.SharePause, w.billingRules())
	return w
}

// Run applies until ctx is done, then finishes the batches in hand.
func (w *Worker) Run(ctx context.Context) error {
	w.prepare(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := w.Consumers.Consumer(events.GroupWorkers, events.WorkerTopics, w).Run(ctx); err != nil {
			return fmt.Errorf("consuming domain topics: %w", err)
		}
		return nil
	})
	g.Go(func() error { return w.publishSnapshots(ctx) })
	g.Go(func() error { return w.maintain(ctx) })
	g.Go(func() error { return w.expire(ctx) })
	return g.Wait()
}

// Joined says that the workers do their work, be it as spares.
func (w *Worker) Joined(int) { w.Health.Set(HealthConsuming, nil) }

// Open gives a partition of a domain topic its processor.
func (w *Worker) Open(ctx context.Context, a bus.Assignment) (bus.Partition, error) {
	next, known, err := w.Ledger.Next(ctx, a.Topic, a.Partition)
	if err != nil {
		return nil, err
	}
	start, err := bus.Resume(a, next, known)
	if err != nil {
		w.metrics.logBehind.Inc()
		return nil, err
	}
	if !known {
		if err := w.Ledger.Plant(ctx, a.Topic, a.Partition, start); err != nil {
			return nil, err
		}
		next = start
	}
	p := position{worker: w, topic: a.Topic, partition: a.Partition, start: start, next: next}
	switch a.Topic {
	case events.TopicBilling:
		return &partition[events.Billing]{position: p, domain: w.billing}, nil
	case events.TopicCalls:
		return &partition[events.Call]{position: p, domain: w.calls}, nil
	}
	return &partition[events.Message]{position: p, domain: w.messages}, nil
}
