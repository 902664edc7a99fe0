package status

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
)

// DefaultRemember is the number of rows or campaigns whose last version is
// remembered unless [Options] says otherwise: about 25 MB.
const DefaultRemember = 100_000

// ErrEnded is returned when a subscription ends that nobody asked to end: its
// Watermill subscriber was closed, or gave up.
var ErrEnded = errors.New("the subscription has ended")

// Options say what a [Subscriber] delivers.
type Options struct {
	// Org and Campaign choose the events of one organisation, or of one
	// campaign; empty is every one. All others are read and acknowledged.
	Org, Campaign string

	// Remember bounds the memory of last versions, per call and in rows or
	// campaigns, the longest unseen forgotten first; 0 is [DefaultRemember].
	//
	// A bound that is too small costs repeats and never events: an event of a row
	// that was forgotten is delivered when it comes again, with a version that may
	// lie below one that was delivered before. As a rule the newer ones follow it,
	// but a worker that was cut off may repeat an old event behind them. So make
	// room for all rows that change within some minutes, and see the package's
	// comment for what no bound can do: a restart forgets everything.
	Remember int

	// Foreign is told of each record that is no status event, which is then
	// acknowledged. Without it, the first such record ends the call with an
	// [ErrForeign] and stays unacknowledged: nothing is left out that the
	// program did not agree to.
	Foreign func(msg *message.Message, err error)
}

// Subscriber delivers the events of the status topics from a Watermill
// subscriber, decoded, chosen and without repeats.
//
// Each call of Messages, Calls and Campaigns is one subscription. It calls its
// handler for one event at a time, in the order of the Watermill subscriber,
// which for Kafka is that of each partition, and so of each row and campaign. An
// event is acknowledged when its handler has returned nil. When it returns an
// error the event is refused (Nack), and the Watermill subscriber brings it again
// before any later one of its partition, after a pause of its own: a handler that
// can never succeed must put the event elsewhere and return nil.
//
// Several calls, in one process or many, share the work where the Watermill
// subscriber has consumer groups. They do not share their memories: an event
// that moves to another call may be a repeat there.
//
// A call ends when its context does, or the subscriber is closed. The event in
// hand may be finished and is acknowledged then; the handler's context, which is
// the Watermill message's, tells it to hurry. The call returns when the Watermill
// subscriber has closed the subscription.
//
// A Subscriber is safe for concurrent use and has nothing to close.
type Subscriber struct {
	sub  message.Subscriber
	opts Options
}

// New returns a subscriber over sub, whose messages must be the records of the
// topics with their headers as metadata. It does not close sub.
func New(sub message.Subscriber, opts Options) *Subscriber {
	if opts.Remember <= 0 {
		opts.Remember = DefaultRemember
	}
	return &Subscriber{sub: sub, opts: opts}
}

// Messages calls handle for what happens to messages, until ctx ends; then it
// returns nil. Other errors are that of subscribing, [ErrForeign] and [ErrEnded].
func (s *Subscriber) Messages(ctx context.Context, handle func(context.Context, Message) error) error {
	return follow(ctx, s, TopicMessages, DecodeMessage, handle)
}

// Calls calls handle for what happens to calls, as Messages does.
func (s *Subscriber) Calls(ctx context.Context, handle func(context.Context, Call) error) error {
	return follow(ctx, s, TopicCalls, DecodeCall, handle)
}

// Campaigns calls handle for the snapshots of campaigns, as Messages does. With a
// consumer group that is new it begins with the last snapshot of each campaign;
// some that are older may come before.
func (s *Subscriber) Campaigns(ctx context.Context, handle func(context.Context, Campaign) error) error {
	return follow(ctx, s, TopicCampaigns, DecodeCampaign, handle)
}

func follow[E any, P event[E]](
	ctx context.Context, s *Subscriber, topic string,
	decode func(*message.Message) (E, error), handle func(context.Context, E) error,
) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	messages, err := s.sub.Subscribe(running, topic)
	if err != nil {
		return fmt.Errorf("subscribing to %s: %w", topic, err)
	}
	f := follower[E, P]{Subscriber: s, versions: newVersions(s.opts.Remember), decode: decode, handle: handle}
	var failed error
	for msg := range messages { // to its end, so that nothing is in hand when we return
		if running.Err() != nil {
			msg.Nack()
			continue
		}
		if failed = f.take(msg); failed != nil {
			stop()
		}
	}
	switch {
	case failed != nil:
		return fmt.Errorf("reading %s: %w", topic, failed)
	case ctx.Err() == nil:
		return fmt.Errorf("reading %s: %w", topic, ErrEnded)
	}
	return nil
}

// follower is one subscription.
type follower[E any, P event[E]] struct {
	*Subscriber
	versions *versions
	decode   func(*message.Message) (E, error)
	handle   func(context.Context, E) error
}

// take answers one message. An error means that the subscription cannot go on.
func (f *follower[E, P]) take(msg *message.Message) error {
	e, err := f.decode(msg)
	switch {
	case err == nil:
		f.deliver(msg, e)
	case f.opts.Foreign != nil:
		f.opts.Foreign(msg, err)
		msg.Ack()
	default:
		msg.Nack()
		return err
	}
	return nil
}

func (f *follower[E, P]) deliver(msg *message.Message, e E) {
	id := P(&e).identity()
	if f.wanted(id) && f.versions.isNew(id) {
		if f.handle(msg.Context(), e) != nil { // what went wrong is the handler's own affair
			msg.Nack()
			return
		}
		f.versions.seen(id) // not before: what comes again after a Nack is no repeat
	}
	msg.Ack()
}

func (s *Subscriber) wanted(id identity) bool {
	return (s.opts.Org == "" || s.opts.Org == id.org) && (s.opts.Campaign == "" || s.opts.Campaign == id.campaign)
}
