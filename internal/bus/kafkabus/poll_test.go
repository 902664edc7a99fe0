package kafkabus_test

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
)

// keyed returns a record whose key is a number, and its value as well.
func keyed(topic string, key, value int) events.Record {
	return events.Record{Topic: topic, Key: fmt.Appendf(nil, "%d", key), Value: fmt.Appendf(nil, "%d", value)}
}

// take returns the next record that a consumer got.
func take(t *testing.T, h taker) events.Record {
	t.Helper()
	select {
	case rec := <-h:
		return rec
	case <-time.After(20 * time.Second):
		require.FailNow(t, "no record comes")
		return events.Record{}
	}
}

// Partitions that have nothing to read meet in one request, whenever each of
// them became idle.
func TestIdlePartitionsShareOneFetch(t *testing.T) {
	t.Parallel()
	const topics, partitions, keys = 2, 24, 200
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(partitions, "a", "b"))
	var most atomic.Int64
	broker.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		var n int64
		for _, topic := range req.(*kmsg.FetchRequest).Topics {
			n += int64(len(topic.Partitions))
		}
		if n > most.Load() {
			most.Store(n)
		}
		return nil, nil, false
	})
	client := newClient(t, kafkabus.Config{Brokers: broker.ListenAddrs()})
	h := make(taker)
	run(t, client, "g", h, "a", "b")
	for n := range keys { // in all partitions, and so all of them have been busy
		require.NoError(t, client.Publish(t.Context(), keyed("a", n, 0), keyed("b", n, 0)))
	}
	for range 2 * keys {
		take(t, h)
	}
	require.Eventually(t, func() bool { return most.Load() == topics*partitions }, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, client.Publish(t.Context(), keyed("a", 7, 1)))
	require.Equal(t, []byte("1"), take(t, h).Value, "what comes then is seen")
}

// A request in which one partition has another leader by now fails as a whole;
// every reader finds its own and loses nothing.
func TestReadersFollowLeadersThatMove(t *testing.T) {
	t.Parallel()
	const partitions, keys, rounds = 12, 40, 6
	broker := startBroker(t, kfake.NumBrokers(3), kfake.SeedTopics(partitions, "moves"))
	client := newClient(t, kafkabus.Config{Brokers: broker.ListenAddrs(), Topics: []string{"moves"}})
	h := make(taker)
	run(t, client, "g", h, "moves")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for round := range rounds {
		for n := range keys {
			require.NoError(t, client.Publish(ctx, keyed("moves", n, round)))
		}
		seen := map[string]bool{}
		for len(seen) < keys {
			rec := take(t, h)
			value, err := strconv.Atoi(string(rec.Value))
			require.NoError(t, err)
			require.Equal(t, round, value, "in order, once")
			require.False(t, seen[string(rec.Key)])
			seen[string(rec.Key)] = true
		}
		broker.ShufflePartitionLeaders()
	}
}

// No more is read ahead than the consumer asks for; what is larger comes all the same.
func TestAPartitionIsReadAheadAsFarAsAsked(t *testing.T) {
	t.Parallel()
	const bytes, records = 10_000, 40
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	client := newClient(t, kafkabus.Config{Brokers: broker.ListenAddrs()})
	for n := range records {
		size := bytes / 4
		if n == records/2 {
			size = 3 * bytes
		}
		require.NoError(t, client.Publish(t.Context(), events.Record{Topic: "t", Key: []byte("k"), Value: make([]byte, size)}))
	}
	asked := make(chan int32, 1000)
	broker.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		asked <- req.(*kmsg.FetchRequest).Topics[0].Partitions[0].PartitionMaxBytes
		return nil, nil, false
	})
	h := make(taker)
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- client.Consumer(kafkabus.ConsumerOptions{Group: "g", Topics: []string{"t"}, Handler: h, PartitionBytes: bytes}).Run(ctx)
	}()
	for range records {
		take(t, h)
	}
	leave()
	require.NoError(t, <-done)
	require.Greater(t, len(asked), records/4, "many requests")
	for range len(asked) {
		require.EqualValues(t, bytes, <-asked)
	}
}
