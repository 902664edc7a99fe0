package worker

import (
	"context"
	"time"

	"waybill/internal/events"
)

// Campaigns brings out the snapshots of campaigns whose counters changed.
type Campaigns interface {
	// Lead runs fn while this process is the one that publishes snapshots,
	// and returns false at once if another is.
	Lead(ctx context.Context, fn func(context.Context) error) (bool, error)
	// Snapshots returns up to limit campaigns that changed since they were
	// last published.
	Snapshots(ctx context.Context, limit int, now time.Time) ([]events.CampaignSnapshot, error)
	// Published takes note that a snapshot is out.
	Published(ctx context.Context, s *events.CampaignSnapshot) error
}

const (
	snapshotEvery = time.Second // and so at most one a second for each campaign
	snapshotBatch = 1000
)

// publishSnapshots publishes what changed, once a second, from one worker. A
// crash behind publishing repeats a snapshot under the same id and version.
func (w *Worker) publishSnapshots(ctx context.Context) error {
	return w.every(ctx, snapshotEvery, "publishing campaign snapshots", func() error {
		_, err := w.Campaigns.Lead(ctx, w.snapshotsOnce)
		return err
	})
}

func (w *Worker) snapshotsOnce(ctx context.Context) error {
	list, err := w.Campaigns.Snapshots(ctx, snapshotBatch, w.Now())
	if err != nil || len(list) == 0 {
		return err
	}
	records := make([]events.Record, len(list))
	for i := range list {
		if records[i], err = list[i].Record(); err != nil {
			return err
		}
	}
	if err := w.Publisher.Publish(ctx, records...); err != nil {
		return err
	}
	for i := range list {
		if err := w.Campaigns.Published(ctx, &list[i]); err != nil {
			return err
		}
	}
	w.metrics.snapshots.Add(float64(len(list)))
	return nil
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
