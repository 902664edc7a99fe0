package kafkabus

import (
	"context"
	"errors"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// errUnacknowledged says that the generation ended with a message in hand. The
// next owner of the partition gets it.
var errUnacknowledged = errors.New("the message was not acknowledged before the generation ended")

// subscription is the handler behind one call of Subscribe. Its partitions
// share the channel.
type subscription struct {
	ctx      context.Context // of Subscribe
	out      chan *message.Message
	maxPause time.Duration
}

// Open implements [bus.Handler].
func (s *subscription) Open(ctx context.Context, a bus.Assignment) (bus.Partition, error) {
	return &delivery{subscription: s, generation: ctx, start: max(a.Committed, a.First)}, nil
}

// Joined implements [bus.Handler].
func (s *subscription) Joined(int) {}

// delivery hands over the messages of one partition for one generation.
//
//	offer -> Ack:  next message
//	   ^  -> Nack: pause, then the same again
//	   |  -> the generation ends: taken messages get finishTimeout, others none
type delivery struct {
	*subscription
	generation context.Context // Open's: it ends before the one that Handle is given
	start      int64
}

// Start implements [bus.Partition].
func (d *delivery) Start() int64 { return d.start }

// Close implements [bus.Partition].
func (d *delivery) Close() {}

// Handle implements [bus.Partition]. If it fails in the middle of a batch, those
// that were acknowledged come again with the rest.
func (d *delivery) Handle(ctx context.Context, records []events.Record) error {
	for i := range records {
		if err := d.deliver(ctx, &records[i]); err != nil {
			return err
		}
	}
	return nil
}

// deliver returns nil when the message was acknowledged.
func (d *delivery) deliver(ctx context.Context, rec *events.Record) error {
	pause := patience{max: d.maxPause}
	for {
		acked, err := d.offer(ctx, messageOf(rec))
		if acked || err != nil {
			return err
		}
		if !pause.wait(d.generation) {
			return errUnacknowledged
		}
	}
}

// offer hands a message over and waits for the answer. A message that nobody
// has taken when the generation ends is not waited for: its handler did not
// begin, and the other members wait for us.
func (d *delivery) offer(ctx context.Context, msg *message.Message) (acked bool, err error) {
	own, cancel := context.WithCancel(d.ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	msg.SetContext(own)
	select {
	case d.out <- msg:
	case <-d.generation.Done():
		return false, errUnacknowledged
	}
	select {
	case <-msg.Acked():
		return true, nil
	case <-msg.Nacked():
		return false, nil
	case <-ctx.Done():
		return false, errUnacknowledged
	}
}
