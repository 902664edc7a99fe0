package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"waybill/internal/events"
)

// initializeTimeout bounds the making of a topic, which Watermill asks for
// without a context.
const initializeTimeout = 30 * time.Second

// ErrSubscriberClosed is returned by a [WatermillSubscriber] that was closed.
var ErrSubscriberClosed = errors.New("subscriber is closed")

var (
	_ message.Subscriber           = (*WatermillSubscriber)(nil)
	_ message.SubscribeInitializer = (*WatermillSubscriber)(nil)
)

// WatermillConfig describes a [WatermillSubscriber].
type WatermillConfig struct {
	// Group is the consumer group. Subscriptions to a topic in one group share
	// its partitions; each group gets every message.
	Group string
	// MaxPause bounds the pause before a message that was refused comes again,
	// which begins with 100 ms, or less if this is less, and doubles. 0 means 10 s.
	MaxPause time.Duration
	// Partitions and Retention are those of a topic that SubscribeInitialize
	// makes. Without partitions it makes none.
	Partitions int
	Retention  time.Duration
}

// WatermillSubscriber gives the records of topics as Watermill messages, one at
// a time for each partition: the next comes when the one before is
// acknowledged. It is safe for concurrent use, and so slow by design that it is
// meant for topics with few records.
//
// A message that is refused (Nack) comes again as it was, after a pause and for
// ever: a handler that can never succeed stops its partition, and must put the
// message elsewhere and acknowledge it.
//
// Delivery is at least once. Every acknowledged message may be committed alone;
// after a crash those acknowledged since the last commit, a quarter of a second
// ago at most, come again. When a partition moves to another member, a message
// in hand has two seconds left; then its context ends and the other member gets
// it, even if the handler has not returned.
type WatermillSubscriber struct {
	client *Client
	cfg    WatermillConfig
	log    *slog.Logger

	closing context.Context // ends with Close
	close   context.CancelFunc

	mu            sync.Mutex // guards closed against new subscriptions
	closed        bool
	subscriptions sync.WaitGroup
}

// NewWatermillSubscriber returns a subscriber over c, which must stay open
// until it is closed. An error means a configuration that can never work.
func NewWatermillSubscriber(c *Client, cfg WatermillConfig) (*WatermillSubscriber, error) {
	if cfg.Group == "" {
		return nil, errors.New("watermill subscriber has no group: name one")
	}
	closing, cancel := context.WithCancel(context.Background())
	return &WatermillSubscriber{
		client: c, cfg: cfg, log: c.log.With("group", cfg.Group), closing: closing, close: cancel,
	}, nil
}

// Subscribe returns a channel with the messages of a topic, from the first one
// that the group has not acknowledged. Each call is a member of the group on
// its own. A topic that does not exist is waited for.
//
// The channel closes after ctx has ended and after Close. Every message's
// context is a child of ctx; it also ends when the message is acknowledged or
// refused, and when nobody waits for that any more. A closed subscriber returns
// [ErrSubscriberClosed].
func (s *WatermillSubscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrSubscriberClosed
	}
	sub := &subscription{ctx: ctx, out: make(chan *message.Message), maxPause: s.cfg.MaxPause}
	consumer := s.client.Consumer(ConsumerOptions{
		Group: s.cfg.Group, Topics: []string{topic}, Handler: sub,
		MaxRecords: 1, // each acknowledgement can be committed, and none waits for another
	})
	s.subscriptions.Go(func() {
		defer close(sub.out)
		running, stop := context.WithCancel(ctx)
		defer stop()
		unhook := context.AfterFunc(s.closing, stop)
		defer unhook()
		if err := consumer.Run(running); err != nil {
			s.log.Error("subscription failed", "topic", topic, "error", err)
		}
	})
	return sub.out, nil
}

// SubscribeInitialize makes a topic as the configuration says, unless it
// exists. It fails when the configuration says nothing, or the cluster refuses
// or is away.
func (s *WatermillSubscriber) SubscribeInitialize(topic string) error {
	if s.cfg.Partitions <= 0 {
		return fmt.Errorf("making topic %s: the subscriber's configuration names no partitions", topic)
	}
	ctx, cancel := context.WithTimeout(s.closing, initializeTimeout)
	defer cancel()
	return s.client.EnsureTopics(ctx, []events.TopicSpec{{
		Name: topic, Partitions: s.cfg.Partitions, Retention: s.cfg.Retention,
	}})
}

// Close ends every subscription and returns when their channels are closed.
// Messages in hand have two seconds to be acknowledged; with the time to leave
// the group it takes some seconds at most. It never fails, and may be called
// again, and from several goroutines.
func (s *WatermillSubscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.close()
	s.subscriptions.Wait()
	return nil
}
