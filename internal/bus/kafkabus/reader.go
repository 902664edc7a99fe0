package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// stuckAfter is how long a partition may fail to be read before its generation
// is given up: joining again renews every connection and assignment.
const stuckAfter = 30 * time.Second

var errHalted = errors.New("the log ends below our position")

// reader reads one partition for one generation.
//
//	open -> fetch -> handle -> fetch ...        until the generation ends
//	          |         +-> ErrFenced: end the generation
//	          +-> the log ends below us: halt, with an alarm
type reader struct {
	topicPartition
	k         *consumer
	g         *generation
	log       *slog.Logger
	committed int64 // -1 if the group never committed

	part     bus.Partition
	position int64     // next offset to read
	alive    time.Time // of the last successful fetch
}

func newReader(k *consumer, g *generation, tp topicPartition, committed int64) *reader {
	return &reader{
		topicPartition: tp, k: k, g: g, committed: max(committed, -1),
		log: k.log.With("topic", tp.topic, "partition", tp.partition),
	}
}

// run returns when the generation ends, and ends it by returning.
func (r *reader) run(ctx context.Context) {
	m := r.k.client.metrics
	m.initPartition(r.topicPartition)
	defer m.forgetPartition(r.topicPartition)

	err := r.open(ctx)
	if r.part != nil {
		defer func() { _ = guard(func() error { r.part.Close(); return nil }) }()
	}
	for err == nil {
		err = r.step(ctx)
	}
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, errHalted):
		// Reading on would skip whatever is written below our position from now
		// on. A person must decide; the other partitions go on.
		m.halted.WithLabelValues(r.labels()...).Set(1)
		r.log.Error("partition halted", "position", r.position, "committed", r.committed, "error", err)
		<-ctx.Done()
	case errors.Is(err, bus.ErrFenced):
		r.log.Warn("another consumer owns the partition; joining again")
		// Two members that fence each other must not spin.
		(&patience{min: 200 * time.Millisecond}).wait(ctx)
	default:
		m.stuck.WithLabelValues(r.labels()...).Inc()
		r.log.Error("partition cannot be read; joining again", "position", r.position, "error", err)
	}
}

// step fetches and handles once. An error ends the reading.
func (r *reader) step(ctx context.Context) error {
	f, err := r.fetch(ctx)
	if err != nil {
		return err
	}
	if f.next == r.position && !f.atEnd() && time.Since(r.alive) > stuckAfter {
		return fmt.Errorf("no record within %s although the log goes on", stuckAfter)
	}
	for rest := f.records; len(rest) > 0; {
		batch := rest[:min(len(rest), r.k.opts.MaxRecords)]
		rest = rest[len(batch):]
		r.observe(batch, f.end)
		if err := r.handle(ctx, batch); err != nil {
			return err
		}
		r.position = batch[len(batch)-1].Offset + 1
		r.g.commits.handled(r.topicPartition, r.position)
		r.alive = time.Now()
	}
	if f.next > r.position || f.atEnd() {
		r.alive = time.Now()
	}
	r.position = f.next
	r.observe(nil, f.end)
	return nil
}

// fetch returns what there is, waiting for the first record. It tries again
// until the partition is stuck.
func (r *reader) fetch(ctx context.Context) (fetched, error) {
	var p patience
	for {
		f, err := r.k.poll(ctx, r.topicPartition, r.position)
		switch {
		case err == nil:
			return f, nil
		case ctx.Err() != nil:
			return fetched{}, ctx.Err()
		case errors.Is(err, kafka.OffsetOutOfRange):
			if err := r.outOfRange(ctx); err != nil {
				return fetched{}, err
			}
			continue
		case time.Since(r.alive) > stuckAfter:
			return fetched{}, fmt.Errorf("fetching for %s: %w", stuckAfter, err)
		}
		r.log.Warn("fetching failed", "position", r.position, "error", err)
		if !p.wait(ctx) {
			return fetched{}, ctx.Err()
		}
	}
}

// handle gives a batch to the handler until it takes it. When the generation ends
// meanwhile, the batch in hand may finish; none is begun, or begun again.
func (r *reader) handle(ctx context.Context, batch []events.Record) error {
	var p patience
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := guard(func() error { return r.part.Handle(r.g.work, batch) })
		if err == nil {
			r.k.client.metrics.handled.WithLabelValues(r.topic).Add(float64(len(batch)))
			return nil
		}
		if errors.Is(err, bus.ErrFenced) {
			return err
		}
		r.k.client.metrics.handleFailed.WithLabelValues(r.topic).Inc()
		r.log.Warn("handling failed; the same records come again", "offset", batch[0].Offset, "records", len(batch), "error", err, stack(err))
		p.wait(ctx)
		r.observe(batch, -1)
	}
}

// observe sets the lag: batch is about to be handled, nil means all is done.
func (r *reader) observe(batch []events.Record, end int64) {
	m := r.k.client.metrics
	if end >= 0 {
		m.lagRecords.WithLabelValues(r.labels()...).Set(float64(max(end-r.position, 0)))
	}
	age := 0.0
	if len(batch) > 0 {
		age = max(time.Since(batch[0].Time).Seconds(), 0)
	}
	m.lagSeconds.WithLabelValues(r.labels()...).Set(age)
}
