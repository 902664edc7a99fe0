package kafkabus

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

// leaders is who leads which partition, as of a moment.
type leaders struct {
	of map[topicPartition]int
	at time.Time
}

// dispatch finds out who carries which lane. It is safe for concurrent use.
type dispatch struct {
	couriers sync.Map // broker id -> *courier
	known    atomic.Pointer[leaders]
	asking   sync.Mutex
}

// courierOf returns the courier of a partition's leader, nil if nobody is known
// to lead it. What is known may be old: then the request fails, and the lane
// tries by itself until the new leader is found.
func (c *Client) courierOf(tp topicPartition) *courier {
	leader, ok := c.leaders().of[tp]
	if !ok {
		return nil
	}
	if carrier, ok := c.dispatch.couriers.Load(leader); ok {
		return carrier.(*courier)
	}
	carrier, _ := c.dispatch.couriers.LoadOrStore(leader, &courier{client: c})
	return carrier.(*courier)
}

// leaders asks the transport for the metadata that it keeps, every metadataTTL.
func (c *Client) leaders() *leaders {
	fresh := func() *leaders {
		if l := c.dispatch.known.Load(); l != nil && time.Since(l.at) < metadataTTL {
			return l
		}
		return nil
	}
	if l := fresh(); l != nil {
		return l
	}
	c.dispatch.asking.Lock()
	defer c.dispatch.asking.Unlock()
	if l := fresh(); l != nil {
		return l
	}
	l := &leaders{of: map[topicPartition]int{}, at: time.Now()}
	ctx, cancel := context.WithTimeout(c.ctx, dialTimeout)
	defer cancel()
	if meta, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: c.cfg.Topics}); err == nil {
		for _, t := range meta.Topics {
			for _, p := range t.Partitions {
				if p.Error == nil {
					l.of[topicPartition{t.Name, p.ID}] = p.Leader.ID
				}
			}
		}
	}
	c.dispatch.known.Store(l)
	return l
}
