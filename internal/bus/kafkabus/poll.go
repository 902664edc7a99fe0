package kafkabus

import (
	"context"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	fetchapi "github.com/segmentio/kafka-go/protocol/fetch"
)

const (
	// pollPace is the least time between two requests to a broker.
	pollPace = 20 * time.Millisecond
	// pollTick is when requests end that bring nothing: all of them at the same
	// moments, so that partitions which became idle at different times meet in
	// one.
	pollTick = 500 * time.Millisecond
	// pollAnswer is how long a partition with nothing new waits before it is told
	// so: it then knows that its broker lives.
	pollAnswer = 2 * time.Second
	// What one request brings, of all partitions and, unless the consumer says
	// otherwise, of each.
	maxPollBytes   = 8 << 20
	partitionBytes = 1 << 20
)

// poller reads for all partitions of a consumer that one broker leads: a request
// asks for every one that waits for records. With many partitions and few records in each
// this is what makes a request worth its price; the Java client does the same.
//
//	reader ──ask──> waiting ──> request ──records──> reader
//	                   ^            │ nothing
//	                   └────────────┘
type poller struct {
	k *consumer

	mu        sync.Mutex
	waiting   []*ask
	gathering bool      // the next request is on its way
	last      time.Time // when the last one was sent
}

// ask is a partition that waits for what follows an offset.
type ask struct {
	topicPartition
	ctx    context.Context // of who waits
	offset int64
	until  time.Time // then it is answered with nothing
	answer chan<- polled
}

// polled is an answer.
type polled struct {
	fetched
	err error
}

// poll returns what there is of a partition from an offset on. It waits for the
// first record, up to pollAnswer.
func (k *consumer) poll(ctx context.Context, tp topicPartition, offset int64) (fetched, error) {
	answer := make(chan polled, 1)
	k.ask(&ask{topicPartition: tp, ctx: ctx, offset: offset, until: time.Now().Add(pollAnswer), answer: answer})
	select {
	case a := <-answer:
		return a.fetched, a.err
	case <-ctx.Done():
		return fetched{}, ctx.Err()
	}
}

// ask hands a partition to its leader's poller.
func (k *consumer) ask(a *ask) {
	leader, ok := k.client.leaders().of[a.topicPartition]
	if !ok {
		k.polls.Go(func() { // it finds the leader, or tells what is wrong
			f, err := k.client.fetch(a.ctx, a.topicPartition, a.offset, limits{min: 1, max: int64(k.opts.PartitionBytes), wait: pollAnswer})
			a.answer <- polled{f, err}
		})
		return
	}
	p, ok := k.pollers.Load(leader)
	if !ok {
		p, _ = k.pollers.LoadOrStore(leader, &poller{k: k})
	}
	p.(*poller).offer(a)
}

// offer takes on a partition.
func (p *poller) offer(a *ask) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, a)
	if p.gathering {
		return
	}
	p.gathering = true
	wait := pollPace - time.Since(p.last)
	p.k.polls.Go(func() {
		pace := time.NewTimer(wait)
		defer pace.Stop()
		select {
		case <-pace.C:
			p.request()
		case <-p.k.polling.Done(): // nobody waits any more
		}
	})
}

// request asks the broker for all that wait, and answers those for which there
// is an answer; the others wait on.
func (p *poller) request() {
	asks := p.take()
	if len(asks) == 0 {
		return
	}
	answers, moved := p.k.client.fetchAll(p.k.polling, asks, p.k.opts.PartitionBytes)
	if moved {
		p.k.client.dispatch.known.Store(nil) // another may lead by now
	}
	now := time.Now()
	for i, a := range asks {
		r := answers[i]
		if r.err == nil && r.next == a.offset && now.Before(a.until) {
			p.k.ask(a)
			continue
		}
		a.answer <- r
	}
}

// take removes what waits, without those whose readers have gone.
func (p *poller) take() []*ask {
	p.mu.Lock()
	defer p.mu.Unlock()
	asks := make([]*ask, 0, len(p.waiting))
	for _, a := range p.waiting {
		if a.ctx.Err() == nil {
			asks = append(asks, a)
		}
	}
	p.waiting = nil
	p.gathering = false
	p.last = time.Now()
	return asks
}

// fetchAll sends one request to the leader of all that ask, and tells whether
// that is somebody else for one of them.
func (c *Client) fetchAll(ctx context.Context, asks []*ask, most int) (answers []polled, moved bool) {
	wait := pollTick - time.Duration(time.Now().UnixNano())%pollTick
	ctx, cancel := context.WithTimeout(ctx, wait+requestTimeout)
	defer cancel()
	res, err := c.transport.RoundTrip(ctx, c.kafka.Addr, fetchRequest(asks, most, wait))
	answer, ok := res.(*fetchapi.Response)
	switch {
	case err != nil:
	case !ok:
		err = kafka.NetworkException
	case answer.ErrorCode != 0:
		err = kafka.Error(answer.ErrorCode)
	}
	answers = make([]polled, len(asks))
	at := make(map[topicPartition]int, len(asks))
	for i, a := range asks {
		at[a.topicPartition] = i
		answers[i].err = err
		if err == nil {
			answers[i].err = kafka.NetworkException // until the answer speaks of it
		}
	}
	if err != nil {
		return answers, true
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			i, ok := at[topicPartition{t.Topic, int(p.Partition)}]
			if !ok {
				continue
			}
			if p.ErrorCode != 0 {
				answers[i].err = kafka.Error(p.ErrorCode)
				moved = true
				continue
			}
			answers[i].fetched, answers[i].err = decode(asks[i].topicPartition, asks[i].offset, p.HighWatermark, p.RecordSet.Records)
		}
	}
	return answers, moved
}

func fetchRequest(asks []*ask, most int, wait time.Duration) *fetchapi.Request {
	req := &fetchapi.Request{
		ReplicaID: -1, MaxWaitTime: int32(wait.Milliseconds()) + 1, MinBytes: 1, MaxBytes: maxPollBytes, SessionID: -1, SessionEpoch: -1,
	}
	topics := map[string]int{}
	for _, a := range asks {
		t, ok := topics[a.topic]
		if !ok {
			t = len(req.Topics)
			topics[a.topic] = t
			req.Topics = append(req.Topics, fetchapi.RequestTopic{Topic: a.topic})
		}
		req.Topics[t].Partitions = append(req.Topics[t].Partitions, fetchapi.RequestPartition{
			Partition:         int32(a.partition), //nolint:gosec // a partition's number
			PartitionMaxBytes: int32(most),        //nolint:gosec // megabytes at most
			FetchOffset:       a.offset, CurrentLeaderEpoch: -1, LogStartOffset: -1,
		})
	}
	return req
}
