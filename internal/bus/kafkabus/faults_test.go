package kafkabus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"waybill/internal/bus"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/fault"
)

func record(topic string, n int) events.Record {
	return events.Record{Topic: topic, Key: []byte("k"), Value: fmt.Append(nil, n)}
}

// firsts returns the values of a topic, each where it stands first.
func firsts(t *testing.T, client *kafkabus.Client, topic string) (values []string, records int) {
	t.Helper()
	seen := map[string]bool{}
	require.NoError(t, client.Scan(t.Context(), topic, func(batch []events.Record) error {
		for _, rec := range batch {
			records++
			if v := string(rec.Value); !seen[v] {
				seen[v] = true
				values = append(values, v)
			}
		}
		return nil
	}))
	return values, records
}

// Every failure that passes by itself is survived, and the order is kept even
// when the broker had written what it failed to acknowledge.
func TestPublishSurvivesPassingFailures(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]*kerr.Error{
		"not leader":            kerr.NotLeaderForPartition,
		"unknown topic":         kerr.UnknownTopicOrPartition,
		"not enough replicas":   kerr.NotEnoughReplicas,
		"not enough, after all": kerr.NotEnoughReplicasAfterAppend,
		"timed out":             kerr.RequestTimedOut,
		"storage":               kerr.KafkaStorageError,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
			client := newClient(t, kafkabus.Config{Brokers: broker.ListenAddrs()})
			require.NoError(t, client.Publish(t.Context(), record("t", 0)))
			broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: 3})
			for n := 1; n <= 5; n++ {
				require.NoError(t, client.Publish(t.Context(), record("t", n), record("t", 100+n)))
			}
			values, _ := firsts(t, client, "t")
			require.Equal(t, []string{"0", "1", "101", "2", "102", "3", "103", "4", "104", "5", "105"}, values)
		})
	}
}

// Calls larger than a request, several at once, on one partition, while
// requests fail: one request at a time is what keeps the order.
func TestPublishKeepsOrderAcrossRequests(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	client := newClient(t, kafkabus.Config{Brokers: broker.ListenAddrs()})
	broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: 3})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var callers errgroup.Group
	for c := range 4 {
		records := make([]events.Record, 40)
		for n := range records {
			records[n] = events.Record{Topic: "t", Key: fmt.Append(nil, c), Value: bytes.Repeat([]byte{byte(n)}, 60<<10)}
		}
		callers.Go(func() error { return client.Publish(ctx, records...) })
	}
	require.NoError(t, callers.Wait())
	next := map[string]byte{}
	require.NoError(t, client.Scan(t.Context(), "t", func(batch []events.Record) error {
		for _, rec := range batch {
			require.Equal(t, next[string(rec.Key)], rec.Value[0])
			next[string(rec.Key)]++
		}
		return nil
	}))
	require.Equal(t, map[string]byte{"0": 40, "1": 40, "2": 40, "3": 40}, next)
}

// A broker that goes away in the middle closes the connection: a plain EOF.
// Partitions that went into one request have different leaders a moment later.
// The request fails, and each of them finds its own.
func TestPublishFollowsLeadersThatMove(t *testing.T) {
	t.Parallel()
	const topic, partitions, rounds = "moves", 12, 5
	broker := startBroker(t, kfake.NumBrokers(3), kfake.SeedTopics(partitions, topic))
	client := newClient(t, kafkabus.Config{Brokers: broker.ListenAddrs(), Topics: []string{topic}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stop := make(chan struct{})
	var publishers errgroup.Group
	for n := range partitions {
		publishers.Go(func() error {
			for i := 0; ; i++ {
				rec := events.Record{Topic: topic, Key: fmt.Appendf(nil, "%d", n), Value: fmt.Appendf(nil, "%d", i)}
				if err := client.Publish(ctx, rec); err != nil {
					return err
				}
				select {
				case <-stop:
					return nil
				default:
				}
			}
		})
	}
	for range rounds {
		broker.ShufflePartitionLeaders()
		require.NoError(t, client.Publish(ctx, events.Record{Topic: topic, Key: []byte("between"), Value: []byte("x")}))
	}
	close(stop)
	require.NoError(t, publishers.Wait())
	last := map[string]int{}
	require.NoError(t, client.Scan(ctx, topic, func(records []events.Record) error {
		for i := range records {
			key := string(records[i].Key)
			if key == "between" {
				continue
			}
			n, err := strconv.Atoi(string(records[i].Value))
			require.NoError(t, err)
			require.LessOrEqual(t, n, last[key]+1, "no record of %s is missing", key)
			require.GreaterOrEqual(t, n, last[key], "nor comes back")
			last[key] = n
		}
		return nil
	}))
	require.Len(t, last, partitions)
}

func TestPublishSurvivesAClosedConnection(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	client := newClient(t, kafkabus.Config{Brokers: broker.ListenAddrs()})
	for range 3 {
		broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			return nil, errors.New("closing the connection"), true
		})
	}
	require.NoError(t, client.Publish(t.Context(), record("t", 1)))
	_, n := firsts(t, client, "t")
	require.Equal(t, 1, n)
}

// What cannot pass by itself is answered at once, with the class that decides
// what ingest says.
func TestPublishClassifiesFailures(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	reg := prometheus.NewRegistry()
	client, err := kafkabus.New(kafkabus.Config{Brokers: broker.ListenAddrs()}, slog.New(slog.DiscardHandler), reg)
	require.NoError(t, err)
	for _, c := range []struct {
		err  *kerr.Error
		want fault.Class
	}{
		{kerr.TopicAuthorizationFailed, fault.Unavailable},
		{kerr.UnknownServerError, fault.Unavailable}, // a full disk, for one
		{kerr.MessageTooLarge, fault.Invalid},
		{kerr.InvalidTimestamp, fault.Invalid},
	} {
		broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: c.err})
		err := client.Publish(t.Context(), record("t", 1))
		require.Equal(t, c.want, fault.ClassOf(err), "%v", err)
	}
	require.Equal(t, fault.Invalid, fault.ClassOf(client.Publish(t.Context(), events.Record{Topic: "t"})))
	require.NoError(t, client.Close(t.Context()))
	require.ErrorIs(t, client.Publish(t.Context(), record("t", 1)), bus.ErrClosed)
	failed := metric(t, reg, "waybill_kafka_publish_failed_records_total")
	require.Equal(t, map[string]float64{"refused,t": 3, "unavailable,t": 2}, failed)
	require.Equal(t, map[string]float64{"": 0}, metric(t, reg, "waybill_kafka_queued_bytes"))
}

// metric returns the samples of a metric by the values of its labels.
func metric(t *testing.T, reg *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	samples := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			samples[strings.Join(labels, ",")] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return samples
}

// Without a broker a caller gets its answer when its own time is up, and Close
// does not wait for ever.
func TestNoBroker(t *testing.T) {
	t.Parallel()
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{"127.0.0.1:1"}}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = client.Publish(ctx, record("t", 1))
	require.Equal(t, fault.Unavailable, fault.ClassOf(err))
	require.Less(t, time.Since(start), 2*time.Second)
	require.NoError(t, client.Close(t.Context()))
}

// A broker that stops answering: Close gives up with its context, and fails
// what it gives up.
func TestCloseFailsWhatItCannotFlush(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	stalled := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	client, err := kafkabus.New(kafkabus.Config{Brokers: broker.ListenAddrs()}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() { answer <- client.Publish(context.Background(), record("t", 1)) }()
	require.NoError(t, stalled.Wait(t.Context(), 1))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, client.Close(ctx), context.DeadlineExceeded)
	require.Equal(t, fault.Unavailable, fault.ClassOf(<-answer))
}

// A connection whose request nobody waits for any more, as a consumer that stops
// leaves behind, does not outlive the client.
func TestCloseCutsConnections(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{silent.Addr().String()}}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	following := make(chan error, 1)
	go func() { following <- client.Follow(ctx, "t", func([]events.Record, bool) {}) }()
	conn, err := silent.Accept()
	require.NoError(t, err)
	defer conn.Close()
	cancel()
	require.NoError(t, <-following)
	require.NoError(t, client.Close(t.Context()))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
	_, err = io.Copy(io.Discard, conn)
	require.NoError(t, err, "the connection is still open")
}

// The broker goes away and comes back with its data, as in a rolling restart:
// publisher, follower and consumer go on by themselves, and nothing is missing.
func TestBrokerRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func(opts ...kfake.Opt) *kfake.Cluster {
		broker, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.DataDir(dir), kfake.SyncWrites(), kfake.SeedTopics(1, "t"))...)
		require.NoError(t, err)
		return broker
	}
	broker := start()
	addr := broker.ListenAddrs()[0]
	_, portText, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	port, err := strconv.Atoi(portText)
	require.NoError(t, err)

	client := newClient(t, kafkabus.Config{Brokers: []string{addr}})
	followed := make(chan string, 100)
	ctx, cancel := context.WithCancel(context.Background())
	following := make(chan error, 1)
	go func() {
		following <- client.Follow(ctx, "t", func(records []events.Record, _ bool) {
			for _, rec := range records {
				followed <- string(rec.Value)
			}
		})
	}()
	handled := make(taker, 100)
	run(t, client, "group", handled, "t")

	require.NoError(t, client.Publish(t.Context(), record("t", 0)))
	require.Equal(t, "0", <-followed)
	require.Equal(t, "0", string((<-handled).Value))
	broker.Close()
	published := make(chan error, 1)
	go func() { published <- client.Publish(context.Background(), record("t", 1)) }()
	broker = start(kfake.Ports(port))
	defer broker.Close()
	require.NoError(t, <-published)
	require.Equal(t, "1", <-followed)
	for rec := range handled {
		if string(rec.Value) == "1" {
			break // "0" may come again if its commit was lost
		}
	}
	cancel()
	require.NoError(t, <-following)
}

// A committed offset beyond the log's end halts the partition with an alarm.
func TestHaltedPartitionRaisesTheAlarm(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	reg := prometheus.NewRegistry()
	log := make(logged, 100)
	client, err := kafkabus.New(kafkabus.Config{Brokers: broker.ListenAddrs()}, slog.New(log), reg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close(context.Background())) })
	run(t, client, "group", startAt(5), "t")
	for message := range log {
		if message == "partition halted" {
			break
		}
	}
	require.Equal(t, map[string]float64{"0,t": 1}, metric(t, reg, "waybill_kafka_partition_halted"))
	require.Equal(t, map[string]float64{"0,t": 0}, metric(t, reg, "waybill_kafka_lost_records_total"))
}

// A consumer asks for its topic until the cluster answers. Whoever runs it with a
// wrong address must read so somewhere.
func TestAConsumerSaysThatItsClusterIsAway(t *testing.T) {
	t.Parallel()
	log := make(logged, 100)
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{"127.0.0.1:1"}}, slog.New(log), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close(context.Background())) })
	run(t, client, "group", startAt(0), "t")
	select {
	case message := <-log:
		require.Equal(t, "waiting for a topic", message)
	case <-time.After(30 * time.Second):
		require.FailNow(t, "it waits without a word")
	}
}

type startAt int64

func (s startAt) Joined(int) {}

func (s startAt) Open(context.Context, bus.Assignment) (bus.Partition, error) { return s, nil }
func (s startAt) Start() int64                                                { return int64(s) }
func (s startAt) Handle(context.Context, []events.Record) error               { return nil }
func (s startAt) Close()                                                      {}

// logged passes log messages on.
type logged chan string

func (l logged) Enabled(context.Context, slog.Level) bool { return true }
func (l logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l logged) WithGroup(string) slog.Handler            { return l }
func (l logged) Handle(_ context.Context, r slog.Record) error {
	select {
	case l <- r.Message:
	default:
	}
	return nil
}
