package kafkabus_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"waybill/internal/bus"
	"waybill/internal/bus/bustest"
	"waybill/internal/bus/kafkabus"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// What Watermill's suite itself leaves: TestReconnect never closes the channel
		// that this goroutine reads, and the fan-in of several subscribers keeps a
		// duplicate in hand when a test has all it wants.
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill/pubsub/tests.TestReconnect.func2"),
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill/internal/subscriber.(*multiplier).Subscribe.func2"),
	)
}

// startBroker runs an in-process broker until the test ends.
func startBroker(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(opts...)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	return cluster
}

func newClient(t *testing.T, cfg kafkabus.Config) *kafkabus.Client {
	t.Helper()
	return newMeasured(t, cfg, nil)
}

func newMeasured(t *testing.T, cfg kafkabus.Config, reg prometheus.Registerer) *kafkabus.Client {
	t.Helper()
	return newLogged(t, cfg, slog.DiscardHandler, reg)
}

func newLogged(t *testing.T, cfg kafkabus.Config, log slog.Handler, reg prometheus.Registerer) *kafkabus.Client {
	t.Helper()
	client, err := kafkabus.New(cfg, slog.New(log), reg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, client.Close(ctx))
	})
	return client
}

// open adapts a client to the suite.
func open(addr string) func(t *testing.T) bustest.Bus {
	return func(t *testing.T) bustest.Bus {
		t.Helper()
		reg := prometheus.NewRegistry()
		client := newMeasured(t, kafkabus.Config{Brokers: []string{addr}}, reg)
		return bustest.Bus{
			Publisher: client, Follower: client, Admin: client,
			Consumer: func(group string, topics []string, h bus.Handler) bus.Consumer {
				return client.Consumer(kafkabus.ConsumerOptions{Group: group, Topics: topics, Handler: h})
			},
			Halted: func(topic string, partition int) bool {
				metric := fmt.Sprintf("waybill_kafka_partition_halted{partition=%q,topic=%q} 1\n", strconv.Itoa(partition), topic)
				return strings.Contains(exposed(t, reg), metric)
			},
		}
	}
}

// exposed returns the metrics as Prometheus would read them.
func exposed(t *testing.T, reg prometheus.Gatherer) string {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	var b strings.Builder
	for _, f := range families {
		_, err := expfmt.MetricFamilyToText(&b, f)
		require.NoError(t, err)
	}
	return b.String()
}
