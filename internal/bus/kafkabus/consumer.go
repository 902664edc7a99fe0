package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"waybill/internal/bus"
)

// The group's times. A member that dies is missed after sessionTimeout, the
// least that a broker's defaults allow; one that leaves is noticed by the others
// at their next heartbeat.
const (
	sessionTimeout   = 6 * time.Second
	heartbeat        = 300 * time.Millisecond
	rebalanceTimeout = 15 * time.Second
	joinBackoff      = time.Second
	leaveTimeout     = 4 * time.Second // then the connections to the coordinator are cut
)

// ConsumerOptions describes one member of a group.
type ConsumerOptions struct {
	Group   string
	Topics  []string
	Handler bus.Handler
	// MaxRecords bounds a batch; 0 means 500.
	MaxRecords int
	// PartitionBytes is about how much of a partition is read ahead, as it lies in
	// the log; 0 means 1 MiB. Of all partitions together it is what a backlog takes
	// of the process's memory.
	PartitionBytes int
}

// Consumer returns a member of a group, idle until it is run.
func (c *Client) Consumer(opts ConsumerOptions) bus.Consumer {
	if opts.MaxRecords <= 0 {
		opts.MaxRecords = 500
	}
	if opts.PartitionBytes <= 0 {
		opts.PartitionBytes = partitionBytes
	}
	return &consumer{client: c, opts: opts, log: c.log.With("group", opts.Group)}
}

type consumer struct {
	client *Client
	opts   ConsumerOptions
	log    *slog.Logger

	pollers sync.Map        // broker id -> *poller
	polling context.Context // of their requests, which end before Run returns
	polls   sync.WaitGroup
}

// Run implements [bus.Consumer]. It waits for its topics to exist and for the
// cluster to answer; it returns an error only when the options can never work.
func (k *consumer) Run(ctx context.Context) error {
	for _, topic := range k.opts.Topics {
		k.client.metrics.initTopic(topic)
		if !k.await(ctx, topic) {
			return nil
		}
	}
	k.replacePredecessor(ctx)
	cut, cutConnections := context.WithCancel(context.Background())
	defer cutConnections()
	group, err := kafka.NewConsumerGroup(k.groupConfig(cut))
	if err != nil {
		return fmt.Errorf("joining group %s: %w", k.opts.Group, err)
	}
	var stopPolling context.CancelFunc
	k.polling, stopPolling = context.WithCancel(k.client.ctx)
	defer k.polls.Wait()
	defer stopPolling()
	var members sync.WaitGroup // everything that a generation started
	defer members.Wait()
	defer func() {
		// Closing ends the generation, waits for its parts and leaves the group.
		// It cannot interrupt a join that waits for other members; cutting can.
		timer := time.AfterFunc(leaveTimeout, cutConnections)
		defer timer.Stop()
		_ = group.Close()
	}()

	// kafka-go hands errors over unbuffered: unless this loop asks again, the
	// group stands still.
	for {
		gen, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, kafka.RebalanceInProgress):
			k.log.Debug("joining again", "error", err)
		case err != nil:
			k.client.metrics.groupFailed.Inc()
			k.log.Warn("joining the group failed", "error", err)
		default:
			k.client.metrics.generations.Inc()
			k.start(gen, &members)
		}
	}
}

// await returns when the topic exists: a member that joins before has nothing
// assigned, and nobody tells it later.
func (k *consumer) await(ctx context.Context, topic string) bool {
	var p patience
	for {
		// A cluster that is away is asked again and again, so somebody must say so.
		asking, cancel := context.WithTimeout(ctx, requestTimeout)
		_, err := k.client.partitionsOf(asking, topic)
		cancel()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		k.log.Warn("waiting for a topic", "topic", topic, "error", err)
		if !p.wait(ctx) {
			return false
		}
	}
}

func (k *consumer) groupConfig(cut context.Context) kafka.ConsumerGroupConfig {
	return kafka.ConsumerGroupConfig{
		ID:                k.opts.Group,
		Brokers:           k.client.cfg.Brokers,
		Topics:            k.opts.Topics,
		GroupBalancers:    []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		HeartbeatInterval: heartbeat,
		SessionTimeout:    sessionTimeout,
		RebalanceTimeout:  rebalanceTimeout,
		JoinGroupBackoff:  joinBackoff,
		StartOffset:       kafka.FirstOffset, // LastOffset would lose the first records of a new topic
		Dialer: &kafka.Dialer{
			ClientID:      k.client.clientName(),
			Timeout:       dialTimeout,
			TLS:           k.client.cfg.tls(),
			SASLMechanism: k.client.sasl,
			DialFunc:      dialUntil(cut),
		},
	}
}
