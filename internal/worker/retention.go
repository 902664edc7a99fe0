package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"waybill/internal/retention"
)

// Expiry forgets what is older than it is to be kept. Each call is one short
// transaction.
type Expiry interface {
	// TakeTurn returns true for one of all who ask in so long a time.
	TakeTurn(ctx context.Context, every time.Duration) (bool, error)
	// Relations returns where a table's rows lie.
	Relations(t retention.Table) []string
	// ExpireRows forgets what is older than a time in a few pages of a
	// relation, from a page on; next is -1 at the end.
	ExpireRows(ctx context.Context, relation string, from int64, before time.Time) (n int64, oldest *time.Time, next int64, err error)
	// DropDay drops the oldest day of the timeline if it lies before a time.
	DropDay(ctx context.Context, before time.Time) (dropped bool, oldest *time.Time, err error)
	// ExpireHeld gives up a chunk of dead and quarantined events.
	ExpireHeld(ctx context.Context, before time.Time) (int64, error)
	// ExpireActs and ExpireAssignments forget a chunk of what operators did to
	// held events, and of whose they said these are.
	ExpireActs(ctx context.Context, before time.Time) (int64, error)
	ExpireAssignments(ctx context.Context, before time.Time) (int64, error)
	// SweepErased takes away a chunk of what was written for erased
	// organisations.
	SweepErased(ctx context.Context) (int64, error)
}

type retentionMetrics struct {
	deleted *prometheus.CounterVec // table
	days    prometheus.Counter
	oldest  *prometheus.GaugeVec // table
}

func newRetentionMetrics(reg prometheus.Registerer) *retentionMetrics {
	m := &retentionMetrics{
		deleted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_retention_deleted_total", Help: "Rows that had expired, by table; of billing_events the payloads, of events those that no day took.",
		}, []string{"table"}),
		days: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_retention_dropped_days_total", Help: "Days of the timeline that had expired.",
		}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "waybill_retention_oldest_seconds", Help: "Age of the oldest row when it was last looked for, by table.",
		}, []string{"table"}),
	}
	reg.MustRegister(m.deleted, m.days, m.oldest)
	for _, t := range retention.Tables() {
		m.deleted.WithLabelValues(string(t))
	}
	return m
}

const (
	turnEvery  = time.Minute           // how soon a turn that is due is taken
	chunkPause = 20 * time.Millisecond // leaves the disk to the events
)

// expire has one of all workers look for what has expired, now and then. A turn
// that was cut off is taken again when the next is due.
func (w *Worker) expire(ctx context.Context) error {
	if w.Expiry == nil || w.Keep.Interval <= 0 {
		<-ctx.Done()
		return nil
	}
	return w.every(ctx, min(turnEvery, w.Keep.Interval), "forgetting what has expired", func() error {
		mine, err := w.Expiry.TakeTurn(ctx, w.Keep.Interval)
		if err != nil || !mine {
			return err
		}
		var errs []error
		for _, t := range retention.Tables() {
			if err := w.expireTable(ctx, t); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", t, err))
			}
		}
		return errors.Join(errs...)
	})
}

func (w *Worker) expireTable(ctx context.Context, t retention.Table) error {
	keep := w.Keep.Keep(t)
	before := w.Now().Add(-keep)
	if keep == 0 { // for ever
		before = time.Time{}
	}
	deleted := w.retention.deleted.WithLabelValues(string(t))
	switch t {
	case retention.Held:
		if keep == 0 {
			return nil
		}
		return w.chunks(ctx, deleted, func() (int64, error) { return w.Expiry.ExpireHeld(ctx, before) })
	case retention.Acts:
		return w.chunks(ctx, deleted, func() (int64, error) { return w.Expiry.ExpireActs(ctx, before) })
	case retention.Assignments:
		return w.chunks(ctx, deleted, func() (int64, error) { return w.Expiry.ExpireAssignments(ctx, before) })
	case retention.Erased:
		return w.chunks(ctx, deleted, func() (int64, error) { return w.Expiry.SweepErased(ctx) })
	case retention.EventIDs, retention.Duplicates, retention.Timeline, retention.BillingPayload,
		retention.Map, retention.Conversations, retention.Requests:
	}
	var oldest *time.Time
	if t == retention.Timeline {
		err := w.chunks(ctx, w.retention.days, func() (n int64, err error) {
			var dropped bool
			if dropped, oldest, err = w.Expiry.DropDay(ctx, before); dropped {
				n = 1
			}
			return n, err
		})
		if err != nil {
			return err
		}
	}
	for _, relation := range w.Expiry.Relations(t) {
		for page := int64(0); page >= 0; {
			n, left, next, err := w.Expiry.ExpireRows(ctx, relation, page, before)
			if err != nil {
				return err
			}
			deleted.Add(float64(n))
			oldest = earlier(oldest, left)
			if page = next; page >= 0 {
				if err := w.breathe(ctx); err != nil {
					return err
				}
			}
		}
	}
	age := 0.0
	if oldest != nil {
		age = w.Now().Sub(*oldest).Seconds()
	}
	w.retention.oldest.WithLabelValues(string(t)).Set(max(age, 0))
	return nil
}

// chunks calls fn until it has nothing more to do, and counts what it did.
func (w *Worker) chunks(ctx context.Context, done prometheus.Counter, fn func() (int64, error)) error {
	for {
		n, err := fn()
		done.Add(float64(n))
		if err != nil || n == 0 {
			return err
		}
		if err := w.breathe(ctx); err != nil {
			return err
		}
	}
}

func (w *Worker) breathe(ctx context.Context) error {
	t := time.NewTimer(chunkPause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func earlier(a, b *time.Time) *time.Time {
	if a == nil || (b != nil && b.Before(*a)) {
		return b
	}
	return a
}
