package ingest_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/ingest"
	"waybill/internal/obs"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/sns"
	"waybill/internal/provider/stripe"
	"waybill/internal/provider/twilio"
	"waybill/internal/seal"
	"waybill/internal/testkit"
)

// onKafka starts an edge over a real client and broker.
func onKafka(t *testing.T, addr string) (edgeAddr string, client *kafkabus.Client, key *seal.Key) {
	t.Helper()
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{addr}}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitFor)
		defer cancel()
		_ = client.Close(ctx)
	})
	cfg := testConfig(t)
	cfg.RequestTimeout = time.Second
	key, err = seal.ParseKey(string(cfg.SecretKey))
	require.NoError(t, err)
	tw, err := twilio.New(cfg.PublicURL)
	require.NoError(t, err)
	health := obs.NewHealth()
	edge, err := ingest.New(ingest.Options{
		Config: cfg, Providers: []provider.Verifier{tw, stripe.New(stripe.Tolerance), ses.New(sns.New(sns.Options{})), connect.New(sns.New(sns.Options{}))},
		Publisher: client, Follower: client, Key: key,
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Health: health,
	})
	require.NoError(t, err)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- edge.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	require.Eventually(t, func() bool { return len(health.Problems()) == 0 }, waitFor, tick)
	return l.Addr().String(), client, key
}

// The whole edge over Kafka: an account that is registered while it runs is
// accepted, and what was answered 204 is on the topic, byte for byte.
func TestOverKafka(t *testing.T) {
	t.Parallel()
	broker := testkit.EmbeddedKafka(t, events.Topics(events.Embedded)...)
	addr, client, key := onKafka(t, broker.Addr())
	r := twilioPost(statusPath, callback("delivered"))
	require.Equal(t, 403, send(t, addr, r.bytes()).status, "not registered yet")

	require.NoError(t, client.Publish(t.Context(), signerRecord(t, key, events.Twilio, account, token)))
	require.Eventually(t, func() bool { return send(t, addr, r.bytes()).status == 204 }, waitFor, 10*time.Millisecond)

	var kept []events.Raw
	require.NoError(t, client.Scan(t.Context(), events.TopicRawTwilio, func(records []events.Record) error {
		for i := range records {
			raw, err := events.DecodeRaw(&records[i])
			require.NoError(t, err)
			kept = append(kept, raw)
		}
		return nil
	}))
	require.Len(t, kept, 1)
	require.Equal(t, r.body, string(kept[0].Body))
	require.Equal(t, statusPath, kept[0].URI)
	require.Equal(t, account, kept[0].Signer)
	require.Equal(t, r.get(signature), kept[0].HTTPHeader("x-twilio-signature"))
}

// Row 39 with a broker that has really gone.
func TestKafkaGoesAway(t *testing.T) {
	t.Parallel()
	broker := testkit.EmbeddedKafka(t, events.Topics(events.Embedded)...)
	addr, client, key := onKafka(t, broker.Addr())
	require.NoError(t, client.Publish(t.Context(), signerRecord(t, key, events.Twilio, account, token)))
	r := twilioPost(statusPath, callback("delivered"))
	require.Eventually(t, func() bool { return send(t, addr, r.bytes()).status == 204 }, waitFor, 10*time.Millisecond)
	broker.Stop()
	refused503(t, send(t, addr, r.bytes()))
}
