// Package kafkabus is the bus over Apache Kafka, by segmentio/kafka-go.
//
// Publishing: every partition has a lane, every broker a courier. While records
// of a lane are in flight the others queue; a courier's next request takes all
// that wait on the lanes of its broker. One request in flight a partition keeps
// the order, whatever fails.
//
//	Publish -> murmur2(key) -> lane -> courier -> Produce, acks from every in-sync replica
//
// Consuming: one loop a generation of the group, one goroutine a partition
// that asks for records, handles them and reports its position, one poller a
// broker that fetches for all that ask, one committer that commits positions
// from inside the generation.
//
// Work that comes one message at a time has Watermill's Publisher and Subscriber,
// which stand on these two and on nothing else.
//
// The package promises what package bus says, and that nothing it commits ever
// lowers a committed offset. It never skips a record on its own, never sets a
// record's time to anything but our clock, and never uses kafka-go's group
// Reader (its commits carry no generation) or Writer (it waits to fill
// batches). There is no idempotent producer behind it: after an ambiguous
// failure a record may be in the log twice.
package kafkabus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"golang.org/x/sync/semaphore"

	"waybill/internal/bus"
)

const (
	requestTimeout = 10 * time.Second // for one request; brokers are told half of it
	dialTimeout    = 3 * time.Second
	metadataTTL    = 2 * time.Second // how long a moved leader or a new topic may go unnoticed
)

var (
	_ bus.Publisher = (*Client)(nil)
	_ bus.Follower  = (*Client)(nil)
	_ bus.Admin     = (*Client)(nil)
)

// Client speaks with one Kafka cluster. It is safe for concurrent use; one a
// process is enough.
type Client struct {
	cfg       Config
	log       *slog.Logger
	metrics   *metrics
	sasl      sasl.Mechanism
	transport *kafka.Transport
	kafka     *kafka.Client

	partitions sync.Map // topic -> []int, the ids of its partitions
	lanes      sync.Map // topicPartition -> *lane
	replaced   sync.Map // group -> *sync.Once, by which predecessors were looked for
	dispatch   dispatch
	room       *semaphore.Weighted // bytes that may wait to be published

	mu      sync.RWMutex // guards closed against new calls
	closed  bool
	calls   sync.WaitGroup // calls of Publish with a record not yet resolved
	ctx     context.Context
	abandon context.CancelFunc // ends retries of what is still queued, and every connection
}

type topicPartition struct {
	topic     string
	partition int
}

// New returns a client. It connects when it is first used; an error means a
// configuration that can never work. A nil registerer keeps the metrics to itself.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	mechanism, err := cfg.mechanism()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("registering kafka metrics: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{
		cfg: cfg, log: log, metrics: m, sasl: mechanism,
		room: semaphore.NewWeighted(maxQueuedBytes), ctx: ctx, abandon: cancel,
	}
	c.transport = c.newTransport(cfg.Topics)
	c.kafka = c.over(c.transport)
	for _, topic := range cfg.Topics {
		m.initTopic(topic)
	}
	return c, nil
}

// Close refuses new records, waits until every accepted one is acknowledged or
// has failed, and closes the connections. When ctx ends first, what is still
// queued fails. Followers and consumers end with their own contexts, and should
// have ended: they read nothing more.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()

	flushed := make(chan struct{})
	go func() {
		c.calls.Wait()
		close(flushed)
	}()
	var err error
	select {
	case <-flushed:
	case <-ctx.Done():
		err = fmt.Errorf("flushing the publisher: %w", ctx.Err())
	}
	c.abandon() // cuts the connections, also those with a fetch that nobody waits for
	<-flushed
	c.transport.CloseIdleConnections()
	return err
}

// enter admits a call of Publish; the caller calls c.calls.Done when every
// record of it is resolved.
func (c *Client) enter() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return bus.ErrClosed
	}
	c.calls.Add(1)
	return nil
}

// newTransport returns a connection pool that keeps the metadata of topics, or
// of the whole cluster if there are none.
func (c *Client) newTransport(topics []string) *kafka.Transport {
	return &kafka.Transport{
		ClientID:       clientID,
		Dial:           dialUntil(c.ctx),
		DialTimeout:    dialTimeout,
		MetadataTTL:    metadataTTL,
		MetadataTopics: topics,
		TLS:            c.cfg.tls(),
		SASL:           c.sasl,
	}
}

func (c *Client) over(t *kafka.Transport) *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(c.cfg.Brokers...), Timeout: requestTimeout, Transport: t}
}

// fresh returns a client with a pool of its own, and so with metadata that is
// not older than the call. Admin uses it: a cached answer there is a wrong one.
func (c *Client) fresh(topics ...string) (*kafka.Client, func()) {
	t := c.newTransport(topics)
	return c.over(t), t.CloseIdleConnections
}
