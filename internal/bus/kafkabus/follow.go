package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// Follow implements [bus.Follower]. It works in rounds: it fetches from every
// partition at once, and calls fn only after all have answered, so that atEnd
// speaks of the whole topic and silence means that some part is cut off. When
// retention passes the follower it goes on at the first record left; when the
// log ends below it (the topic was made anew) it begins again at the first.
// It returns nil when ctx is done.
func (c *Client) Follow(ctx context.Context, topic string, fn func(records []events.Record, atEnd bool)) error {
	var positions map[int]int64
	p := patience{max: 2 * time.Second}
	for ctx.Err() == nil {
		var answers []fetched
		var err error
		if positions == nil {
			positions, err = c.beginnings(ctx, topic)
		}
		if err == nil {
			answers, err = c.round(ctx, topic, positions)
		}
		switch {
		case err == nil:
			p.reset()
			deliver(answers, fn)
		case ctx.Err() == nil:
			c.log.Warn("following failed", "topic", topic, "error", err)
			p.wait(ctx)
		}
	}
	return nil
}

// beginnings returns the first offset of each partition.
func (c *Client) beginnings(ctx context.Context, topic string) (map[int]int64, error) {
	ids, err := c.partitionsOf(ctx, topic)
	if err != nil {
		return nil, err
	}
	all, err := logBounds(ctx, c.kafka, topic, ids)
	if err != nil {
		return nil, err
	}
	positions := make(map[int]int64, len(ids))
	for id, b := range all {
		positions[id] = b.FirstOffset
	}
	return positions, nil
}

// round fetches once from every partition and advances the positions of those
// that answered. An error means that at least one did not; then nothing is
// delivered and nothing advances.
func (c *Client) round(ctx context.Context, topic string, positions map[int]int64) ([]fetched, error) {
	answers := make([]fetched, len(positions))
	ids := make([]int, 0, len(positions))
	var group errgroup.Group
	for id, position := range positions {
		i, tp := len(ids), topicPartition{topic, id}
		ids = append(ids, id)
		group.Go(func() (err error) {
			answers[i], err = c.fetch(ctx, tp, position, fetchFollow)
			if errors.Is(err, kafka.OffsetOutOfRange) {
				answers[i], err = c.rewind(ctx, tp, position)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, id := range ids {
		positions[id] = answers[i].next
	}
	return answers, nil
}

// rewind answers a fetch outside the log: the next one begins at its first record.
func (c *Client) rewind(ctx context.Context, tp topicPartition, position int64) (fetched, error) {
	first, end, err := c.bounds(ctx, tp)
	if err != nil {
		return fetched{}, err
	}
	if position >= first && position <= end {
		return fetched{next: position, end: end}, nil
	}
	c.log.Error("the log moved under a follower; reading it from its first record", "topic", tp.topic,
		"partition", tp.partition, "position", position, "first", first, "end", end)
	return fetched{next: first, end: end}, nil
}

// deliver calls fn for each answer with records, or once without; atEnd goes
// with the last call of the round.
func deliver(answers []fetched, fn func([]events.Record, bool)) {
	atEnd := true
	var full []fetched
	for _, a := range answers {
		atEnd = atEnd && a.atEnd()
		if len(a.records) > 0 {
			full = append(full, a)
		}
	}
	if len(full) == 0 {
		fn(nil, atEnd)
		return
	}
	for i, a := range full {
		fn(a.records, atEnd && i == len(full)-1)
	}
}

// Scan implements [bus.Follower]. It waits for a cluster that does not answer
// as long as ctx allows; an error of fn ends it.
func (c *Client) Scan(ctx context.Context, topic string, fn func(records []events.Record) error) error {
	ids, err := c.partitionsOf(ctx, topic)
	if err != nil {
		return fmt.Errorf("finding the partitions of %s: %w", topic, unavailable(err))
	}
	var all map[int]kafka.PartitionOffsets
	err = persist(ctx, func() (err error) {
		all, err = logBounds(ctx, c.kafka, topic, ids)
		return err
	})
	if err != nil {
		return unavailable(err)
	}
	for _, id := range ids {
		if err := c.scan(ctx, topicPartition{topic, id}, all[id], fn); err != nil {
			return fmt.Errorf("scanning %s/%d: %w", topic, id, err)
		}
	}
	return nil
}

func (c *Client) scan(ctx context.Context, tp topicPartition, b kafka.PartitionOffsets, fn func([]events.Record) error) error {
	for position := b.FirstOffset; position < b.LastOffset; {
		var f fetched
		err := persist(ctx, func() (err error) {
			f, err = c.fetch(ctx, tp, position, fetchFollow)
			if errors.Is(err, kafka.OffsetOutOfRange) { // retention was quicker
				f, err = c.rewind(ctx, tp, position)
			}
			return err
		})
		if err != nil {
			return unavailable(err)
		}
		position = f.next
		records := before(f.records, b.LastOffset)
		if len(records) == 0 {
			continue
		}
		if err := fn(records); err != nil {
			return err
		}
	}
	return nil
}

// before returns the records below an offset.
func before(records []events.Record, offset int64) []events.Record {
	for len(records) > 0 && records[len(records)-1].Offset >= offset {
		records = records[:len(records)-1]
	}
	return records
}

// Read implements [bus.Follower].
func (c *Client) Read(ctx context.Context, at events.Position) (events.Record, error) {
	tp := topicPartition{at.Topic, at.Partition}
	var f fetched
	err := persist(ctx, func() (err error) {
		f, err = c.fetch(ctx, tp, at.Offset, fetchOne)
		return err
	})
	switch {
	case errors.Is(err, kafka.OffsetOutOfRange):
		return events.Record{}, bus.ErrNotFound
	case err != nil:
		return events.Record{}, fmt.Errorf("reading %s/%d at %d: %w", at.Topic, at.Partition, at.Offset, unavailable(err))
	case len(f.records) == 0 || f.records[0].Offset != at.Offset:
		return events.Record{}, bus.ErrNotFound
	}
	return f.records[0], nil
}
