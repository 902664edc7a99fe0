// Package kafka gives Waybill's status topics as a Watermill subscriber, for
// package status. It is for programs that have no Kafka subscriber of their own,
// or none that passes record headers on as metadata.
//
// It promises what package status builds on: messages of one partition come one
// at a time, the next when the one before is acknowledged; what is refused comes
// again as it was; nothing is acknowledged to the broker that was not
// acknowledged here.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/status"
)

// closeTimeout bounds the end of the connections; there is nothing to flush.
const closeTimeout = 5 * time.Second

// ErrClosed is returned by a [Subscriber] that was closed.
var ErrClosed = kafkabus.ErrSubscriberClosed

var _ message.Subscriber = (*Subscriber)(nil)

// Config says how to reach the brokers, and as whom to read.
type Config struct {
	Brokers []string // addresses to start from, host:port

	// Group is the consumer group. Subscriptions to a topic in one group share
	// its partitions and go on where the group has stopped; each group gets
	// every event. One that is new begins with the oldest event that the topic
	// still has: seven days of transitions, or each campaign's last snapshot.
	Group string

	TLS bool // with the system's certificates

	SASLMechanism string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; empty for no login
	Username      string
	Password      string

	Log *slog.Logger // is told of trouble with the brokers; nil for nobody
}

// Subscriber subscribes to the status topics and to no others. It is safe for
// concurrent use.
type Subscriber struct {
	client *kafkabus.Client
	sub    *kafkabus.WatermillSubscriber
}

// NewSubscriber returns a subscriber. It connects when it is first used, and
// waits for brokers that are away; an error means a configuration that can never
// work, and names every problem.
func NewSubscriber(cfg Config) (*Subscriber, error) {
	var noGroup error
	if cfg.Group == "" {
		noGroup = errors.New("no consumer group: name one in Group")
	}
	client, err := kafkabus.NewPublic(kafkabus.Config{
		Brokers: cfg.Brokers, TLS: cfg.TLS,
		SASLMechanism: cfg.SASLMechanism, Username: cfg.Username, Password: config.Secret(cfg.Password),
		Topics: []string{status.TopicMessages, status.TopicCalls, status.TopicCampaigns},
	}, cfg.Log, noGroup)
	if err != nil {
		return nil, fmt.Errorf("configuring the subscriber: %w", err)
	}
	sub, err := kafkabus.NewWatermillSubscriber(client, kafkabus.WatermillConfig{Group: cfg.Group})
	if err != nil {
		return nil, err
	}
	return &Subscriber{client: client, sub: sub}, nil
}

// Subscribe returns a topic's messages. The channel closes after ctx has ended
// and the group was left, which takes some seconds at most, and after Close. A
// message in hand then has two seconds to be acknowledged, or comes again.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	return s.sub.Subscribe(ctx, topic)
}

// Close ends every subscription, waits until their channels are closed, and
// closes the connections. It may be called again.
func (s *Subscriber) Close() error {
	err := s.sub.Close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return errors.Join(err, s.client.Close(ctx))
}
