package kafkabus_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"waybill/internal/bus"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
)

// A topic that is behind has far more than a fetch brings (4 MiB).
const (
	backlogRecords = 24
	backlogBytes   = 500_000
)

// hall is a handler whose batches wait until the test lets them go.
type hall struct{ entered chan *visit }

// visit is one batch in the handler.
type visit struct {
	topic  string
	behind bool // the log goes on behind it
	leave  chan error
}

func (h hall) Open(_ context.Context, a bus.Assignment) (bus.Partition, error) {
	return hallPartition{h, a.Topic, max(a.Committed, a.First)}, nil
}

func (h hall) Joined(int) {}

type hallPartition struct {
	hall
	topic string
	start int64
}

func (p hallPartition) Start() int64 { return p.start }
func (p hallPartition) Close()       {}

func (p hallPartition) Handle(ctx context.Context, records []events.Record) error {
	v := &visit{topic: p.topic, behind: records[len(records)-1].Offset < backlogRecords-1, leave: make(chan error, 1)}
	select {
	case p.entered <- v:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-v.leave:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h hall) next(t *testing.T) *visit {
	t.Helper()
	select {
	case v := <-h.entered:
		return v
	case <-time.After(20 * time.Second):
		require.FailNow(t, "nobody has a turn")
		return nil
	}
}

// backlogs returns a client, and topics of one partition that are behind.
func backlogs(t *testing.T, log slog.Handler, topics ...string) *kafkabus.Client {
	t.Helper()
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, append(topics, "brisk")...))
	client := newLogged(t, kafkabus.Config{Brokers: broker.ListenAddrs()}, log, nil)
	for _, topic := range topics {
		for range backlogRecords {
			require.NoError(t, client.Publish(t.Context(), events.Record{Topic: topic, Key: []byte("k"), Value: bytes.Repeat([]byte("v"), backlogBytes)}))
		}
	}
	return client
}

// inTurns starts a consumer that handles one partition at a time that is
// behind, and stops it with the test.
func inTurns(t *testing.T, client *kafkabus.Client, topics ...string) hall {
	t.Helper()
	h := hall{entered: make(chan *visit)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- client.Consumer(kafkabus.ConsumerOptions{Group: "g", Topics: topics, Handler: h, Turns: 1}).Run(ctx)
	}()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return h
}

func TestWhoKeepsUpWaitsForNobodyWhoIsBehind(t *testing.T) {
	t.Parallel()
	client := backlogs(t, slog.DiscardHandler, "slow1", "slow2")
	h := inTurns(t, client, "slow1", "slow2", "brisk")
	first := h.next(t)
	require.True(t, first.behind)
	for range 3 {
		require.NoError(t, client.Publish(t.Context(), events.Record{Topic: "brisk", Key: []byte("k")}))
		v := h.next(t) // and not the other one that is behind
		require.Equal(t, "brisk", v.topic)
		v.leave <- nil
	}
	first.leave <- nil
	// One after the other, until each has read to its end.
	turns, ended := map[string]int{first.topic: 1}, 0
	for ended < 2 {
		v := h.next(t)
		if v.behind {
			turns[v.topic]++
		} else {
			ended++
		}
		v.leave <- nil
	}
	require.Greater(t, turns["slow1"], 1)
	require.Greater(t, turns["slow2"], 1)
}

// stalled holds up whoever reports a failure, just before the back-off: that
// lasts until the test ends it, however slow the machine is.
type stalled struct {
	slog.Handler
	until context.Context //nolint:containedctx // a signal
}

func (stalled) Enabled(context.Context, slog.Level) bool { return true }

func (s stalled) WithAttrs([]slog.Attr) slog.Handler { return s }

func (s stalled) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "handling failed") {
		<-s.until.Done()
	}
	return nil
}

// What cannot be handled now comes again, and does not keep the others from
// their turns while it backs off.
func TestABatchThatFailsGivesItsTurnBack(t *testing.T) {
	t.Parallel()
	wait, backOff := context.WithCancel(context.Background())
	client := backlogs(t, stalled{slog.DiscardHandler, wait}, "slow1", "slow2")
	h := inTurns(t, client, "slow1", "slow2")
	t.Cleanup(backOff) // or the consumer would not stop
	failing := h.next(t)
	failing.leave <- errors.New("not now")
	for behind := true; behind; {
		v := h.next(t)
		require.NotEqual(t, failing.topic, v.topic, "it has not backed off yet")
		behind = v.behind
		v.leave <- nil
	}
	backOff()
	v := h.next(t)
	require.Equal(t, failing.topic, v.topic)
	v.leave <- nil
}
