package kafkabus

import (
	"fmt"
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

// errNoLeader is why a lane has no courier: metadata that is on its way may name one.
var errNoLeader = fmt.Errorf("no courier: %w", kafka.LeaderNotAvailable)

// entry is one record on its way.
type entry struct {
	rec   events.Record
	call  *publication
	index int // of the record in its call
}

func (e *entry) resolve(err error) { e.call.resolve(e.index, err) }

// lane is the queue of one partition. At most one request has records of it:
// that is what keeps their order, whatever fails.
//
//	add ──> waits for its leader's courier ──> delivered ──> waits again, or idle
//	                                              │ failed
//	                                              └> alone: its own requests, again and again
type lane struct {
	topicPartition
	client *Client

	mu    sync.Mutex
	queue []entry
	busy  bool // it waits for a courier, or has records in flight
}

func (l *lane) add(entries []entry) {
	l.mu.Lock()
	l.queue = append(l.queue, entries...)
	start := !l.busy
	l.busy = true
	l.mu.Unlock()
	if start {
		l.wait()
	}
}

// wait hands the lane to its leader's courier.
func (l *lane) wait() {
	if c := l.client.courierOf(l.topicPartition); c != nil {
		c.offer(l)
		return
	}
	if batch, _ := l.take(); batch != nil {
		go l.alone(batch, errNoLeader)
	}
}

// take removes the next request's entries and returns their size. Callers that
// have gone were answered with an error, and what was not written yet need not
// be. With nothing left it returns nil, and the lane is idle.
func (l *lane) take() (batch []entry, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 && len(batch) < maxRequestRecords {
		e := l.queue[0]
		if err := e.call.ctx.Err(); err != nil {
			l.fail([]entry{e}, unavailable(err))
			l.queue = l.queue[1:]
			continue
		}
		if len(batch) > 0 && size+e.rec.Size() > maxRequestBytes {
			break
		}
		batch, size = append(batch, e), size+e.rec.Size()
		l.queue = l.queue[1:]
	}
	if len(batch) == 0 {
		l.queue, l.busy = nil, false
	}
	return batch, size
}

// delivered ends a request. What failed is sent again from here on, by a
// goroutine that the lane has to itself while it needs it.
func (l *lane) delivered(batch []entry, err error) {
	if err != nil {
		go l.alone(batch, err)
		return
	}
	l.acknowledged(batch)
	l.next()
}

// next goes on with what has queued up meanwhile.
func (l *lane) next() {
	l.mu.Lock()
	l.busy = len(l.queue) > 0
	more := l.busy
	l.mu.Unlock()
	if more {
		l.wait()
	}
}

// alone sends a batch that failed apart from the other lanes, and then gives
// the lane back.
func (l *lane) alone(batch []entry, err error) {
	l.retry(batch, err)
	l.next()
}

// retry sends a batch that failed again while that may help and somebody still
// waits for the answer. A batch that the broker refuses for one of its records
// is written record by record, so that only that one fails.
func (l *lane) retry(batch []entry, err error) {
	p := patience{min: 50 * time.Millisecond, max: 2 * time.Second}
	for err != nil {
		switch {
		case refused(err) && len(batch) > 1:
			for i := range batch {
				one := batch[i : i+1]
				l.retry(one, l.try(one))
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
		if batch = l.wanted(batch); len(batch) == 0 {
			return
		}
		err = l.try(batch)
	}
	l.acknowledged(batch)
}

// try sends a batch in a request of its own.
func (l *lane) try(batch []entry) error { return l.client.produce([]parcel{{l, batch}})[0] }

// wanted drops the entries whose callers have gone.
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

func (l *lane) acknowledged(batch []entry) {
	l.client.metrics.published.WithLabelValues(l.topic).Add(float64(len(batch)))
	l.resolve(batch, nil)
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
