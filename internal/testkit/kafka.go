package testkit

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"waybill/internal/embedded"
	"waybill/internal/events"
)

// realKafkaEnv names the variable that holds the address of a real broker.
const realKafkaEnv = "WAYBILL_TEST_KAFKA"

// RealKafka returns the address of the real broker that the tests shall use, if
// any. It is shared, so topics and groups need names that no other test has.
func RealKafka() (addr string, ok bool) {
	addr = os.Getenv(realKafkaEnv)
	return addr, addr != ""
}

// Kafka returns the address of a broker with the given topics, or with all of
// Waybill's if none is given: one in memory for this test alone, or the real
// one, where topics that do not exist are made and left.
func Kafka(tb testing.TB, specs ...events.TopicSpec) string {
	tb.Helper()
	if len(specs) == 0 {
		specs = events.Topics(events.Embedded)
	}
	if addr, ok := RealKafka(); ok {
		createTopics(tb, addr, specs)
		return addr
	}
	k := EmbeddedKafka(tb, specs...)
	return k.Addr()
}

// EmbeddedKafka returns a broker in memory, whatever the environment says: for
// tests that inject faults.
func EmbeddedKafka(tb testing.TB, specs ...events.TopicSpec) *embedded.Kafka {
	tb.Helper()
	k, err := embedded.StartKafka(tb.Context(), embedded.KafkaOptions{Topics: specs})
	require.NoError(tb, err)
	tb.Cleanup(k.Stop)
	return k
}

// createTopics makes what does not exist. Partition counts are all that tests
// on a real broker rely on.
func createTopics(tb testing.TB, addr string, specs []events.TopicSpec) {
	tb.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport, Timeout: 30 * time.Second}
	req := &kafka.CreateTopicsRequest{}
	for _, s := range specs {
		topic := kafka.TopicConfig{Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: 1}
		if s.Compacted {
			topic.ConfigEntries = append(topic.ConfigEntries, kafka.ConfigEntry{ConfigName: "cleanup.policy", ConfigValue: "compact"})
		}
		req.Topics = append(req.Topics, topic)
	}
	resp, err := client.CreateTopics(tb.Context(), req)
	require.NoError(tb, err)
	for topic, err := range resp.Errors {
		if !errors.Is(err, kafka.TopicAlreadyExists) {
			require.NoError(tb, err, topic)
		}
	}
}
