package kafkabus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// publishTimeout bounds a call of [WatermillPublisher.Publish]: Watermill's
// messages seldom carry a deadline, and a cluster that is away would hold a
// call without one for ever.
const publishTimeout = 10 * time.Second

var _ message.Publisher = (*WatermillPublisher)(nil)

// WatermillPublisher publishes Watermill messages through a [Client]. It is
// safe for concurrent use. Many may share one client; closing one leaves the
// client open, because a Watermill router closes every publisher that it knows.
type WatermillPublisher struct {
	client *Client

	mu     sync.RWMutex // held for reading by every call of Publish
	closed bool
}

// NewWatermillPublisher returns a publisher over c.
func NewWatermillPublisher(c *Client) *WatermillPublisher {
	return &WatermillPublisher{client: c}
}

// Publish publishes all messages as one call of [Client.Publish] and returns
// nil once every one of them is acknowledged by every in-sync replica. One that
// fails does not hold back the others: the error then is a *[bus.PublishError],
// with one error a message, each with its class. A message that has neither
// [MetadataKey] nor a UUID fails as Invalid.
//
// The call ends, as Unavailable, when the context of one of the messages does,
// and after ten seconds; a message may then still be written. Payloads must not
// be changed after the call. A closed publisher returns [bus.ErrClosed].
func (p *WatermillPublisher) Publish(topic string, messages ...*message.Message) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return bus.ErrClosed
	}
	ctx, cancel := contextOf(messages)
	defer cancel()
	records := make([]events.Record, len(messages))
	for i, msg := range messages {
		records[i] = recordOf(topic, msg)
	}
	if err := p.client.Publish(ctx, records...); err != nil {
		return fmt.Errorf("publishing to %s: %w", topic, err)
	}
	return nil
}

// Close refuses new messages and waits for the calls of Publish that are under
// way. It never fails, and may be called again.
func (p *WatermillPublisher) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// contextOf returns a context that ends with the first of the messages' contexts.
func contextOf(messages []*message.Message) (context.Context, context.CancelFunc) {
	bounded, cancel := context.WithTimeout(context.Background(), publishTimeout)
	ctx, end := context.WithCancelCause(bounded)
	stops := make([]func() bool, 0, len(messages))
	for _, msg := range messages {
		one := msg.Context()
		stops = append(stops, context.AfterFunc(one, func() { end(context.Cause(one)) }))
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		end(nil)
		cancel()
	}
}
