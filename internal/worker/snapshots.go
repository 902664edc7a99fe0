package worker

import (
	"context"
	"time"

	"waybill/internal/events"
)

// Campaigns brings out the snapshots of campaigns whose counters changed.
type Campaigns interface {
	// Publish hands up to limit snapshots of campaigns that changed since they
	// were last published to publish, and notes them as published when it
	// returns nil. It does nothing if another process does this at the moment.
	Publish(ctx context.Context, limit int, now time.Time, publish func([]events.CampaignStatus) error) (int, error)
}

const (
	snapshotEvery = time.Second // and so at most one a second for each campaign
	snapshotBatch = 1000
)

// publishSnapshots publishes what changed, once a second, from one worker. A
// crash behind publishing repeats a snapshot under the same id and version.
func (w *Worker) publishSnapshots(ctx context.Context) error {
	return w.every(ctx, snapshotEvery, "publishing campaign snapshots", func() error {
		n, err := w.Campaigns.Publish(ctx, snapshotBatch, w.Now(), func(list []events.CampaignStatus) error {
			records := make([]events.Record, len(list))
			for i := range list {
				var err error
				if records[i], err = list[i].Record(); err != nil {
					return err
				}
			}
			return w.Publisher.Publish(ctx, records...)
		})
		w.metrics.snapshots.Add(float64(n))
		return err
	})
}

// Timeline makes the days of the timeline ahead of time.
type Timeline interface {
	MakeDays(ctx context.Context, days int) error
}

const (
	daysAhead     = 7
	maintainEvery = time.Hour
)

// prepare makes the days before the first event needs one. If that fails the
// timeline has a place for them all the same.
func (w *Worker) prepare(ctx context.Context) {
	if err := w.Timeline.MakeDays(ctx, daysAhead); err != nil && ctx.Err() == nil {
		w.Log.Warn("making the timeline's days failed, will be tried again", "error", err)
	}
}

func (w *Worker) maintain(ctx context.Context) error {
	return w.every(ctx, maintainEvery, "making the timeline's days", func() error {
		return w.Timeline.MakeDays(ctx, daysAhead)
	})
}

// every runs fn now and then, until ctx is done; what fails comes again.
func (w *Worker) every(ctx context.Context, d time.Duration, what string, fn func() error) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		if err := fn(); err != nil && ctx.Err() == nil {
			w.Log.Warn("a repeated task failed, will be tried again", "task", what, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
