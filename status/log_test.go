package status_test

import (
	"context"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"waybill/internal/events"
)

// tape is a Watermill subscriber that gives the same records whenever it is
// asked, each again until it is acknowledged, as one partition does.
type tape struct {
	records []events.Record
	endless bool // stays open behind the last record, as a broker does

	mu    sync.Mutex
	acked []int // places of the records that were acknowledged, in that order
}

func (l *tape) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for i := range l.records {
			if !l.deliver(ctx, out, i) {
				return
			}
		}
		if l.endless {
			<-ctx.Done()
		}
	}()
	return out, nil
}

// deliver returns true when the record was acknowledged.
func (l *tape) deliver(ctx context.Context, out chan<- *message.Message, i int) bool {
	for {
		msg := read(&l.records[i])
		own, cancel := context.WithCancel(ctx)
		msg.SetContext(own)
		select {
		case out <- msg:
		case <-ctx.Done():
			cancel()
			return false
		}
		select { // an answer counts, whatever else has happened
		case <-msg.Acked():
			cancel()
			l.mu.Lock()
			l.acked = append(l.acked, i)
			l.mu.Unlock()
			return true
		case <-msg.Nacked():
			cancel()
		}
		if ctx.Err() != nil {
			return false
		}
	}
}

func (l *tape) Close() error { return nil }
