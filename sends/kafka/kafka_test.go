package kafka_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/embedded"
	"waybill/internal/events"
	"waybill/internal/testkit"
	"waybill/sends"
	"waybill/sends/kafka"
)

func TestMain(m *testing.M) { testkit.Main(m, testkit.NoLeaks()) }

const patience = 40 * time.Second

func batch(n int) []sends.Send {
	org, out := uuid.NewString(), make([]sends.Send, n)
	for i := range out {
		out[i] = sends.Send{Org: org, Channel: sends.SMS, Provider: sends.Twilio, MessageID: uuid.NewString()}
	}
	return out
}

func publisher(t *testing.T, broker string) *sends.Recorder {
	t.Helper()
	pub, err := kafka.NewPublisher(kafka.Config{Brokers: []string{broker}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pub.Close()) })
	return sends.New(pub)
}

// published returns how often each message's record is on the topic.
func published(t *testing.T, broker string) map[string]int {
	t.Helper()
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{broker}}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close(context.Background())) }()
	found, contract := map[string]int{}, testkit.AsyncAPI(t)
	require.NoError(t, client.Scan(t.Context(), sends.Topic, func(records []events.Record) error {
		for i := range records {
			s, err := events.DecodeSend(&records[i])
			require.NoError(t, err)
			require.NoError(t, contract.Exact(&records[i]))
			found[s.MessageID]++
		}
		return nil
	}))
	return found
}

func TestABatchIsOnTheTopicWhenTheCallReturns(t *testing.T) {
	t.Parallel()
	broker := testkit.Kafka(t)
	list := batch(2000)
	require.NoError(t, publisher(t, broker).Record(t.Context(), list...))
	found := published(t, broker)
	for _, s := range list {
		require.Equal(t, 1, found[s.MessageID])
	}
}

// While the broker is away every record fails when the deadline comes, and the
// same call again, when it is back, leaves none out.
func TestACallIsRepeatedAfterAnOutage(t *testing.T) {
	t.Parallel()
	options := embedded.KafkaOptions{Dir: t.TempDir(), Topics: events.Topics(events.Embedded)}
	k, err := embedded.StartKafka(t.Context(), options)
	require.NoError(t, err)
	defer func() { k.Stop() }()
	r, list := publisher(t, k.Addr()), batch(50)
	require.NoError(t, r.Record(t.Context(), list[:25]...))
	k.Stop()
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = r.Record(short, list...)
	var partial *sends.PartialError
	require.ErrorAs(t, err, &partial)
	require.Len(t, partial.Failures, 50)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	k, err = embedded.StartKafka(t.Context(), options)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, r.Record(ctx, list...))
	found := published(t, k.Addr())
	for _, s := range list {
		require.Positive(t, found[s.MessageID])
	}
}

func TestEveryProblemOfAConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	_, err := kafka.NewPublisher(kafka.Config{Brokers: []string{"kafka"}, SASLMechanism: "PLAIN", Password: "hunter2"})
	for _, part := range []string{"Brokers: entry 1", "Username is empty"} {
		require.ErrorContains(t, err, part)
	}
	require.NotContains(t, err.Error(), "WAYBILL_")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestAPublisherThatWasClosed(t *testing.T) {
	t.Parallel()
	pub, err := kafka.NewPublisher(kafka.Config{Brokers: []string{"127.0.0.1:1"}})
	require.NoError(t, err)
	require.NoError(t, pub.Close())
	require.NoError(t, pub.Close())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = sends.New(pub).Record(ctx, batch(3)...)
	require.ErrorContains(t, err, "3 of 3")
	require.ErrorContains(t, err, "closed")
}
