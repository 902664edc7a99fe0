package kafkabus_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
)

// taker is a handler that hands on what it gets, one record at a time.
type taker chan events.Record

func (h taker) Open(_ context.Context, a bus.Assignment) (bus.Partition, error) {
	return takerPartition{h, max(a.Committed, a.First)}, nil
}

func (h taker) Joined(int) {}

type takerPartition struct {
	taker
	start int64
}

func (p takerPartition) Start() int64 { return p.start }
func (p takerPartition) Close()       {}

func (p takerPartition) Handle(ctx context.Context, records []events.Record) error {
	for _, rec := range records {
		select {
		case p.taker <- rec:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// run starts a consumer and stops it with the test.
func run(t *testing.T, client *kafkabus.Client, group string, h bus.Handler, topics ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- client.Consumer(kafkabus.ConsumerOptions{Group: group, Topics: topics, Handler: h}).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}
