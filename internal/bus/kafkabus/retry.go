package kafkabus

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// unknownTopicPatience is how long "no such topic" is taken for stale metadata.
const unknownTopicPatience = 2 * metadataTTL

// retriable says whether a request that failed with err may succeed by itself
// later. It covers what kafka-go leaves out: a plain EOF (a broker that went
// away), BrokerNotAvailable (a broker id that the metadata does not have yet)
// and deadlines.
func retriable(err error) bool {
	var code kafka.Error
	if errors.As(err, &code) {
		return code == kafka.BrokerNotAvailable || code.Temporary()
	}
	var network net.Error
	if errors.As(err, &network) { // refused, reset, broken pipe, timeout, name not resolved
		return true
	}
	for _, passing := range []error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrNoProgress, io.ErrClosedPipe, net.ErrClosed,
		context.DeadlineExceeded, protocol.ErrNoLeader,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return unknownTopic(err)
}

// unknownTopic says whether err means that the metadata has no such topic or
// partition. That is so for a moment after a topic was made, and for ever when
// its name is wrong.
func unknownTopic(err error) bool {
	return errors.Is(err, kafka.UnknownTopicOrPartition) ||
		errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition)
}

// refused says whether the broker rejected a request for what is in one of its
// records, which fails the other records of the request as well.
func refused(err error) bool {
	for _, code := range []kafka.Error{
		kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidTimestamp,
		kafka.InvalidRecord, kafka.UnsupportedForMessageFormat,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// patience decides which failures of one operation are worth another attempt,
// and how long to wait before it. The zero value waits 100 ms, doubling to
// 10 s, with jitter, for ever, except for an unknown topic.
type patience struct {
	min, max     time.Duration
	failures     int
	unknownSince time.Time
}

// allows says whether to try again after err.
func (p *patience) allows(err error) bool {
	if !retriable(err) {
		return false
	}
	if !unknownTopic(err) {
		p.unknownSince = time.Time{}
		return true
	}
	if p.unknownSince.IsZero() {
		p.unknownSince = time.Now()
	}
	return time.Since(p.unknownSince) < unknownTopicPatience
}

// wait sleeps before the next attempt; false when ctx ended first.
func (p *patience) wait(ctx context.Context) bool {
	if p.min == 0 {
		p.min = 100 * time.Millisecond
	}
	if p.max == 0 {
		p.max = 10 * time.Second
	}
	d := min(p.min<<min(p.failures, 20), p.max)
	p.failures++
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reset begins anew after a success.
func (p *patience) reset() { *p = patience{min: p.min, max: p.max} }

// persist calls do until it succeeds, ctx ends, or it fails for good.
func persist(ctx context.Context, do func() error) error {
	p := patience{min: 50 * time.Millisecond, max: 2 * time.Second}
	for {
		err := do()
		if err == nil || ctx.Err() != nil || !p.allows(err) {
			return err
		}
		if !p.wait(ctx) {
			return err
		}
	}
}
