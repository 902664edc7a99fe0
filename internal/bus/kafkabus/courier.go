package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// What goes into one request beside what bounds each lane's share of it, how
// many are in flight, and the least time between two of them: what comes after a
// quiet moment is sent at once, and a busy broker gets its records together.
const (
	maxJointBytes = 8 << 20
	maxInFlight   = 4
	sendPace      = 10 * time.Millisecond
)

// courier carries the records of all partitions that one broker leads: a
// request takes what waits on every lane that has nothing in flight. With many
// partitions and few records on each, this is what makes a request worth its
// price; the Java client does the same.
type courier struct {
	client *Client

	mu        sync.Mutex
	waiting   []*lane
	gathering bool // a goroutine waits for its turn to take what waits
	inFlight  int
	last      time.Time // when the last request was taken
}

// parcel is one lane's share of a request.
type parcel struct {
	lane  *lane
	batch []entry
}

// offer takes a lane on that has records and nothing in flight.
func (c *courier) offer(l *lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, l)
	c.gather()
}

// gather starts a goroutine for the next request if there is need and room. It
// is called with the lock held.
func (c *courier) gather() {
	if c.gathering || c.inFlight == maxInFlight || len(c.waiting) == 0 {
		return
	}
	c.gathering = true
	wait := sendPace - time.Since(c.last)
	if wait <= 0 {
		go c.carry()
		return
	}
	time.AfterFunc(wait, c.carry)
}

// carry sends one request.
func (c *courier) carry() {
	if parcels := c.take(); len(parcels) > 0 {
		c.deliver(parcels)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight--
	c.gather()
}

// take removes what waits, as much as fits one request.
func (c *courier) take() (parcels []parcel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for size := 0; len(c.waiting) > 0 && size < maxJointBytes; {
		l := c.waiting[0]
		c.waiting = c.waiting[1:]
		if batch, bytes := l.take(); batch != nil {
			parcels = append(parcels, parcel{l, batch})
			size += bytes
		}
	}
	c.gathering = false
	c.inFlight++
	c.last = time.Now()
	c.gather()
	return parcels
}

// deliver sends a request and tells every lane how its share went.
func (c *courier) deliver(parcels []parcel) {
	errs := c.client.produce(parcels)
	for i, p := range parcels {
		if errs[i] != nil {
			c.client.dispatch.known.Store(nil) // another may lead by now
		}
		p.lane.delivered(p.batch, errs[i])
	}
}

// produce sends one request to the leader of all the parcels and waits until
// every in-sync replica has each. The records carry no time: kafka-go stamps
// them with our clock as it encodes them.
func (c *Client) produce(parcels []parcel) []error {
	errs := make([]error, len(parcels))
	at := make(map[topicPartition]int, len(parcels))
	req := &produce.Request{Acks: int16(kafka.RequireAll), Timeout: int32(requestTimeout.Milliseconds() / 2)}
	topics := map[string]int{}
	for i, p := range parcels {
		at[p.lane.topicPartition] = i
		t, ok := topics[p.lane.topic]
		if !ok {
			t = len(req.Topics)
			topics[p.lane.topic] = t
			req.Topics = append(req.Topics, produce.RequestTopic{Topic: p.lane.topic})
		}
		req.Topics[t].Partitions = append(req.Topics[t].Partitions, produce.RequestPartition{
			Partition: int32(p.lane.partition), //nolint:gosec // a partition's number
			RecordSet: protocol.RecordSet{Records: kafka.NewRecordReader(wireRecords(p.batch)...)},
		})
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(c.ctx, requestTimeout)
	defer cancel()
	res, err := c.transport.RoundTrip(ctx, c.kafka.Addr, req)
	c.observe(parcels, time.Since(began))
	answer, ok := res.(*produce.Response)
	if err != nil || !ok {
		err = whole(err)
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	for i := range errs {
		errs[i] = kafka.NetworkException // until the answer speaks of it
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if i, ok := at[topicPartition{t.Topic, int(p.Partition)}]; ok {
				errs[i] = nil
				if p.ErrorCode != 0 {
					errs[i] = kafka.Error(p.ErrorCode)
				}
			}
		}
	}
	return errs
}

// whole returns why a request failed as a whole. One whose partitions have
// different leaders by now was never sent, and kafka-go has no code for that.
func whole(err error) error {
	var unsent *produce.Error
	if errors.As(err, &unsent) && !retriable(err) {
		return fmt.Errorf("%w: %w", kafka.LeaderNotAvailable, err)
	}
	return err
}

// observe measures a request under each of its topics.
func (c *Client) observe(parcels []parcel, took time.Duration) {
	records := map[string]int{}
	for _, p := range parcels {
		records[p.lane.topic] += len(p.batch)
	}
	for topic, n := range records {
		c.metrics.requestTime.WithLabelValues(topic).Observe(took.Seconds())
		c.metrics.requestSize.WithLabelValues(topic).Observe(float64(n))
	}
}

func wireRecords(batch []entry) []kafka.Record {
	records := make([]kafka.Record, len(batch))
	for i := range batch {
		rec := &batch[i].rec
		headers := make([]kafka.Header, len(rec.Headers))
		for j, h := range rec.Headers {
			headers[j] = kafka.Header{Key: h.Key, Value: h.Value}
		}
		records[i] = kafka.Record{Key: kafka.NewBytes(rec.Key), Value: kafka.NewBytes(rec.Value), Headers: headers}
	}
	return records
}
