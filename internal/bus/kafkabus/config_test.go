package kafkabus_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/fault"
)

func TestConfigReportsAllProblemsTogether(t *testing.T) {
	t.Parallel()
	err := kafkabus.Config{Brokers: []string{"localhost", ":9092", "b:1"}, SASLMechanism: "PLAIN"}.Validate()
	require.ErrorContains(t, err, "entry 1 is not host:port")
	require.ErrorContains(t, err, "WAYBILL_KAFKA_USERNAME is empty")
	require.ErrorContains(t, err, "WAYBILL_KAFKA_PASSWORD is empty")
	require.ErrorContains(t, kafkabus.Config{}.Validate(), "WAYBILL_KAFKA_BROKERS is empty")
	require.ErrorContains(t, kafkabus.Config{Brokers: []string{"b:1"}, SASLMechanism: "GSSAPI"}.Validate(), "none of PLAIN")
	require.ErrorContains(t, kafkabus.Config{Brokers: []string{"b:1"}, Username: "u"}.Validate(), "WAYBILL_KAFKA_SASL_MECHANISM is not")
	require.NoError(t, kafkabus.Config{Brokers: []string{"b:1", "[::1]:9092"}}.Validate())
	_, err = kafkabus.New(kafkabus.Config{}, slog.New(slog.DiscardHandler), nil)
	require.Error(t, err)
}

// Logging in covers both ways kafka-go connects: publishing and consuming
// configure it apart.
func TestLogin(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.EnableSASL(), kfake.Superuser(mechanism, "user", "right"))
			cfg := kafkabus.Config{Brokers: broker.ListenAddrs(), SASLMechanism: mechanism, Username: "user", Password: "right"}
			client := newClient(t, cfg)
			require.NoError(t, client.Publish(t.Context(), events.Record{Topic: "t", Key: []byte("k")}))
			handled := make(taker, 1)
			run(t, client, "group", handled, "t")
			<-handled

			// Some brokers say what is wrong, others hang up: then only the
			// caller's patience ends it.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			cfg.Password = "wrong"
			err := newClient(t, cfg).Publish(ctx, events.Record{Topic: "t", Key: []byte("k")})
			require.Equal(t, fault.Unavailable, fault.ClassOf(err))
			t.Log(err)
			require.NotContains(t, err.Error(), "wrong")
		})
	}
}

func TestTwoClientsShareARegistry(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	cfg := kafkabus.Config{Brokers: []string{"127.0.0.1:1"}, Topics: []string{"t"}}
	for range 2 {
		client, err := kafkabus.New(cfg, slog.New(slog.DiscardHandler), reg)
		require.NoError(t, err)
		require.NoError(t, client.Close(t.Context()))
	}
	families, err := reg.Gather()
	require.NoError(t, err)
	born := map[string]bool{}
	for _, f := range families {
		born[f.GetName()] = true
	}
	require.True(t, born["waybill_kafka_publish_failed_records_total"], "counters exist before their first event")
}
