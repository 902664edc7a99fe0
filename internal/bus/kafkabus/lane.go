package kafkabus

import (
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"waybill/internal/events"
	"waybill/internal/fault"
)

// What one produce request takes of a lane: at least one record, however large.
// The bytes stay below the 1 MiB that a broker's default allows a batch.
const (
	maxRequestRecords = 5000
	maxRequestBytes   = 900 << 10
)

// entry is one record on its way.
type entry struct {
	rec   events.Record
	call  *publication
	index int // of the record in its call
}

func (e *entry) resolve(err error) { e.call.resolve(e.index, err) }

// lane is the queue of one partition. At most one request of it is in flight;
// a goroutine exists only while it has something to send.
type lane struct {
	topicPartition
	client *Client

	mu    sync.Mutex
	queue []entry
	busy  bool // the goroutine exists
}

func (l *lane) add(entries []entry) {
	l.mu.Lock()
	l.queue = append(l.queue, entries...)
	start := !l.busy
	l.busy = true
	l.mu.Unlock()
	if start {
		go l.drain()
	}
}

func (l *lane) drain() {
	for batch := l.take(); batch != nil; batch = l.take() {
		l.send(batch)
	}
}

// take removes the next request's entries. With none left it ends the goroutine.
func (l *lane) take() []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.queue, l.busy = nil, false
		return nil
	}
	n, size := 0, 0
	for n < len(l.queue) && n < maxRequestRecords {
		size += l.queue[n].rec.Size()
		if n > 0 && size > maxRequestBytes {
			break
		}
		n++
	}
	batch := l.queue[:n:n]
	l.queue = l.queue[n:]
	return batch
}

// send writes a batch and resolves its entries. It tries again while a failure
// may pass and somebody still waits for the answer. A batch that the broker
// refuses for one of its records is written record by record, so that only
// that one fails.
func (l *lane) send(batch []entry) {
	p := patience{min: 50 * time.Millisecond, max: 2 * time.Second}
	for {
		if batch = l.wanted(batch); len(batch) == 0 {
			return
		}
		err := l.produce(batch)
		switch {
		case err == nil:
			l.client.metrics.published.WithLabelValues(l.topic).Add(float64(len(batch)))
			l.resolve(batch, nil)
			return
		case refused(err) && len(batch) > 1:
			for i := range batch {
				l.send(batch[i : i+1])
			}
			return
		case refused(err):
			l.fail(batch, fault.Wrap(fault.Invalid, "record_refused", err))
			return
		case !p.allows(err):
			l.fail(batch, unavailable(err))
			return
		}
		l.client.metrics.retried.WithLabelValues(l.topic).Inc()
		if p.failures == 0 { // a cluster that is away would fill the log
			l.client.log.Warn("producing failed; trying again", "topic", l.topic, "partition", l.partition, "records", len(batch), "error", err)
		}
		if !p.wait(l.client.ctx) {
			l.fail(batch, unavailable(err))
			return
		}
	}
}

// wanted drops the entries whose callers have gone. They were answered with an
// error, and what was not written yet need not be.
func (l *lane) wanted(batch []entry) []entry {
	still := make([]entry, 0, len(batch))
	for i := range batch {
		if err := batch[i].call.ctx.Err(); err != nil {
			l.fail(batch[i:i+1], unavailable(err))
			continue
		}
		still = append(still, batch[i])
	}
	return still
}

func (l *lane) fail(batch []entry, err error) {
	l.client.metrics.publishFailed.WithLabelValues(l.topic, classOf(err)).Add(float64(len(batch)))
	l.resolve(batch, err)
}

func (l *lane) resolve(batch []entry, err error) {
	for i := range batch {
		batch[i].resolve(err)
	}
}

// produce sends one request and waits until every in-sync replica has it. The
// records carry no time: kafka-go stamps them with our clock as it encodes them.
func (l *lane) produce(batch []entry) error {
	records := make([]kafka.Record, len(batch))
	for i := range batch {
		records[i] = wireRecord(&batch[i].rec)
	}
	start := time.Now()
	res, err := l.client.kafka.Produce(l.client.ctx, &kafka.ProduceRequest{
		Topic:        l.topic,
		Partition:    l.partition,
		RequiredAcks: kafka.RequireAll,
		Records:      kafka.NewRecordReader(records...),
	})
	l.client.metrics.requestTime.WithLabelValues(l.topic).Observe(time.Since(start).Seconds())
	l.client.metrics.requestSize.WithLabelValues(l.topic).Observe(float64(len(batch)))
	if err != nil {
		return err
	}
	return res.Error
}

func wireRecord(rec *events.Record) kafka.Record {
	headers := make([]kafka.Header, len(rec.Headers))
	for i, h := range rec.Headers {
		headers[i] = kafka.Header{Key: h.Key, Value: h.Value}
	}
	return kafka.Record{Key: kafka.NewBytes(rec.Key), Value: kafka.NewBytes(rec.Value), Headers: headers}
}
