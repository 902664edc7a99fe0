package embedded_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"waybill/internal/embedded"
	"waybill/internal/events"
)

func startKafka(t *testing.T, o embedded.KafkaOptions) *embedded.Kafka {
	t.Helper()
	k, err := embedded.StartKafka(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(k.Stop)
	return k
}

// client returns a kafka-go client, as the product uses one.
func client(t *testing.T, addr string) *kafka.Client {
	t.Helper()
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addr), Timeout: 10 * time.Second, Transport: transport}
}

func produce(t *testing.T, k *embedded.Kafka, topic string, at time.Time, value string) {
	t.Helper()
	resp, err := client(t, k.Addr()).Produce(t.Context(), &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: at, Key: kafka.NewBytes([]byte("k")), Value: kafka.NewBytes([]byte(value))}),
	})
	require.NoError(t, err)
	require.NoError(t, resp.Error)
}

func consume(t *testing.T, k *embedded.Kafka, topic string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{k.Addr()}, Topic: topic, MaxWait: 100 * time.Millisecond, OffsetOutOfRangeError: true})
	defer r.Close()
	m, err := r.ReadMessage(ctx)
	require.NoError(t, err)
	return string(m.Value)
}

var spec = events.TopicSpec{
	Name: "t.v1", Partitions: 3, Retention: time.Hour, RetentionBytes: 1 << 20, SegmentBytes: 1 << 18, MaxMessage: 1 << 16,
}

func TestKafkaKeepsItsDataAndAddress(t *testing.T) {
	t.Parallel()
	o := embedded.KafkaOptions{Dir: t.TempDir(), Sync: true, Topics: []events.TopicSpec{spec}}
	first := startKafka(t, o)
	produce(t, first, spec.Name, time.Now(), "kept")
	first.Stop()
	first.Stop()

	second := startKafka(t, o)
	require.Equal(t, first.Addr(), second.Addr())
	require.Equal(t, "kept", consume(t, second, spec.Name))
}

func TestKafkaTopicsGetTheirConfigs(t *testing.T) {
	t.Parallel()
	compacted := events.TopicSpec{Name: "c.v1", Partitions: 1, Compacted: true, MaxMessage: 1 << 20}
	k := startKafka(t, embedded.KafkaOptions{Topics: []events.TopicSpec{spec, compacted}})
	for topic, want := range map[string]map[string]string{
		spec.Name: {
			"cleanup.policy": "delete", "retention.ms": "3600000", "retention.bytes": "1048576",
			"segment.bytes": "262144", "max.message.bytes": "65536",
		},
		compacted.Name: {
			"cleanup.policy": "compact", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": "1048576",
		},
	} {
		got := map[string]string{}
		for name, value := range k.Cluster().TopicInfo(topic).Configs {
			got[name] = *value
		}
		require.Empty(t, cmp.Diff(want, got), topic)
	}
	require.Len(t, k.Cluster().PartitionInfos(spec.Name), 3)
	require.Len(t, k.Cluster().PartitionInfos(compacted.Name), 1)
}

func TestKafkaHoldsAllTopicsOfWaybill(t *testing.T) {
	t.Parallel()
	k := startKafka(t, embedded.KafkaOptions{Topics: events.Topics(events.Embedded)})
	for _, s := range events.Topics(events.Embedded) {
		require.Len(t, k.Cluster().PartitionInfos(s.Name), s.Partitions, s.Name)
	}
}

// kfake applies its default retention of seven days to a compacted topic that
// does not say otherwise; signers would vanish a week after they were added.
func TestCompactedTopicsKnowNoAge(t *testing.T) {
	t.Parallel()
	old := time.Now().Add(-30 * 24 * time.Hour)
	compacted := events.TopicSpec{Name: "c.v1", Partitions: 1, Compacted: true}
	timed := events.TopicSpec{Name: "t.v1", Partitions: 1, Retention: time.Hour}
	k := startKafka(t, embedded.KafkaOptions{Topics: []events.TopicSpec{compacted, timed}})
	produce(t, k, compacted.Name, old, "kept")
	produce(t, k, timed.Name, old, "dropped")

	k.Cluster().Compact()
	require.Equal(t, "kept", consume(t, k, compacted.Name))
	require.Equal(t, int64(1), k.Cluster().PartitionInfo(timed.Name, 0).LogStartOffset)
}

func TestKafkaPortTaken(t *testing.T) {
	t.Parallel()
	first := startKafka(t, embedded.KafkaOptions{})
	_, text, err := net.SplitHostPort(first.Addr())
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)

	_, err = embedded.StartKafka(t.Context(), embedded.KafkaOptions{Port: port})
	require.ErrorIs(t, err, embedded.ErrPortTaken)
	require.ErrorContains(t, err, "port "+text)
}

func TestKafkaMakesNoTopicByItself(t *testing.T) {
	t.Parallel()
	k := startKafka(t, embedded.KafkaOptions{})
	_, err := client(t, k.Addr()).Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{"nobody.v1"}})
	require.NoError(t, err)
	require.Nil(t, k.Cluster().TopicInfo("nobody.v1"))
}
