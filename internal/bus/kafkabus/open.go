package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waybill/internal/bus"
)

// open finds where to begin: it reads the log's bounds, opens the handler's
// partition and asks it. Failures are retried until the generation ends.
func (r *reader) open(ctx context.Context) error {
	var p patience
	for {
		err := r.tryOpen(ctx)
		switch {
		case err == nil:
			r.alive = time.Now()
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errHalted), errors.Is(err, bus.ErrFenced):
			return err
		}
		r.log.Warn("opening failed", "error", err, stack(err))
		if !p.wait(ctx) {
			return ctx.Err()
		}
	}
}

func (r *reader) tryOpen(ctx context.Context) error {
	first, end, err := r.k.client.bounds(ctx, r.topicPartition)
	if err != nil {
		return err
	}
	// A start beyond the end shows itself at the first fetch. A commit beyond it
	// must be looked for: the handler may begin elsewhere and never know.
	if r.committed > end {
		r.position = r.committed
		return fmt.Errorf("%w: it ends at %d", errHalted, end)
	}
	if r.part == nil {
		err := guard(func() (err error) {
			r.part, err = r.k.opts.Handler.Open(ctx, bus.Assignment{
				Topic: r.topic, Partition: r.partition, Committed: r.committed, First: first, End: end,
			})
			return err
		})
		if err != nil {
			r.part = nil
			return fmt.Errorf("opening the handler: %w", err)
		}
	}
	if err := guard(func() error { r.position = r.part.Start(); return nil }); err != nil {
		return err
	}
	if r.position <= first {
		// A handler may have moved up to the first record by itself; what lies
		// between the commit and there is missing all the same.
		missing := r.position
		if r.committed >= 0 {
			missing = min(missing, r.committed)
		}
		r.lose(missing, first)
		r.position = first
	}
	return nil
}

// outOfRange decides what a fetch outside the log means: retention has passed
// us (go on at the first record left, with an alarm), or the log's tail is gone.
func (r *reader) outOfRange(ctx context.Context) error {
	first, end, err := r.k.client.bounds(ctx, r.topicPartition)
	switch {
	case err != nil:
		r.log.Warn("listing offsets failed", "error", err)
		if !(&patience{}).wait(ctx) {
			return ctx.Err()
		}
	case r.position > end:
		return fmt.Errorf("%w: it ends at %d", errHalted, end)
	case r.position < first:
		r.lose(r.position, first)
		r.position = first
	}
	return nil
}

// lose raises the alarm for records that nobody handled and nobody can.
func (r *reader) lose(from, first int64) {
	if from >= first {
		return
	}
	r.k.client.metrics.lost.WithLabelValues(r.labels()...).Add(float64(first - from))
	r.log.Error("retention took records before they were handled", "from", from, "first", first)
}
