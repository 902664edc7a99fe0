package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/segmentio/kafka-go"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/fault"
)

// maxQueuedBytes bounds what may wait for acknowledgement. A publisher that
// finds no room waits for it, as long as its context allows.
const maxQueuedBytes = 64 << 20

var (
	errPending = errors.New("not acknowledged yet")
	errNoKey   = fault.New(fault.Invalid, "record_without_key")
)

// Publish implements [bus.Publisher]. Errors are classified: Invalid for a
// record that can never be written (no key, too large for the topic),
// Unavailable for everything else. Keys, values and headers belong to the
// client from the call on, even after ctx has ended.
func (c *Client) Publish(ctx context.Context, records ...events.Record) error {
	if len(records) == 0 {
		return nil
	}
	if err := c.enter(); err != nil {
		return err
	}
	p := &publication{ctx: ctx, errs: make([]error, len(records)), left: len(records), done: make(chan struct{})}
	size := p.size(records)
	if err := c.room.Acquire(ctx, size); err != nil {
		c.calls.Done()
		return unavailable(err)
	}
	c.metrics.queued.Add(float64(size))
	p.release = func() {
		c.metrics.queued.Sub(float64(size))
		c.room.Release(size)
		c.calls.Done()
	}
	c.route(p, records)
	return p.wait()
}

// route puts each record on the lane of its partition. Records of one call
// reach a lane together, in the order of the call.
func (c *Client) route(p *publication, records []events.Record) {
	lanes := make(map[*lane][]entry, 1)
	var order []*lane
	for i, rec := range records {
		l, err := c.laneFor(p.ctx, rec)
		if err != nil {
			c.metrics.publishFailed.WithLabelValues(rec.Topic, classOf(err)).Inc()
			p.resolve(i, err)
			continue
		}
		if lanes[l] == nil {
			order = append(order, l)
		}
		lanes[l] = append(lanes[l], entry{rec: rec, call: p, index: i})
	}
	for _, l := range order {
		l.add(lanes[l])
	}
}

func (c *Client) laneFor(ctx context.Context, rec events.Record) (*lane, error) {
	if len(rec.Key) == 0 {
		// Without a key the partition, and with it the order, would be chance.
		return nil, errNoKey
	}
	ids, err := c.partitionsOf(ctx, rec.Topic)
	if err != nil {
		return nil, unavailable(fmt.Errorf("finding the partitions of %s: %w", rec.Topic, err))
	}
	tp := topicPartition{rec.Topic, partitionFor(rec.Key, ids)}
	if l, ok := c.lanes.Load(tp); ok {
		return l.(*lane), nil
	}
	l, _ := c.lanes.LoadOrStore(tp, &lane{client: c, topicPartition: tp})
	return l.(*lane), nil
}

// partitionFor selects a key's partition as the Java client does.
func partitionFor(key []byte, ids []int) int {
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, ids...)
}

// partitionsOf returns the ids of a topic's partitions. Their number never
// changes (a key must stay where it is), so it is asked for once.
func (c *Client) partitionsOf(ctx context.Context, topic string) ([]int, error) {
	if ids, ok := c.partitions.Load(topic); ok {
		return ids.([]int), nil
	}
	var ids []int
	err := persist(ctx, func() error {
		meta, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return err
		}
		t := meta.Topics[0]
		if t.Error != nil {
			return t.Error
		}
		ids = make([]int, len(t.Partitions))
		for i, p := range t.Partitions {
			ids[i] = p.ID
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.partitions.Store(topic, ids)
	return ids, nil
}

// publication is one call of Publish.
type publication struct {
	ctx     context.Context
	release func() // once, when the last record is resolved
	done    chan struct{}

	mu   sync.Mutex
	errs []error
	left int
}

// size returns the call's share of the queue; a call larger than the queue gets
// all of it. It marks every record pending.
func (p *publication) size(records []events.Record) int64 {
	var n int64
	for i := range records {
		p.errs[i] = errPending
		n += int64(records[i].Size())
	}
	return min(n, maxQueuedBytes)
}

// resolve records what became of one record.
func (p *publication) resolve(i int, err error) {
	p.mu.Lock()
	p.errs[i] = err
	p.left--
	last := p.left == 0
	p.mu.Unlock()
	if last {
		p.release()
		close(p.done)
	}
}

// wait returns when every record is resolved, or at once when ctx ends: the
// records still pending may then be written or not.
func (p *publication) wait() error {
	select {
	case <-p.done:
	case <-p.ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	errs := make([]error, len(p.errs))
	failed := false
	for i, err := range p.errs {
		if err == errPending { //nolint:errorlint // the sentinel is never wrapped
			err = unavailable(context.Cause(p.ctx))
		}
		errs[i] = err
		failed = failed || err != nil
	}
	switch {
	case !failed:
		return nil
	case len(errs) == 1:
		return errs[0]
	}
	return &bus.PublishError{Errs: errs}
}

func unavailable(err error) error { return fault.Wrap(fault.Unavailable, "kafka_unavailable", err) }

func classOf(err error) string {
	if fault.ClassOf(err) == fault.Invalid {
		return classRefused
	}
	return classUnavailable
}
