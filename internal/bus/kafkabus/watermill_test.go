package kafkabus_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"waybill/internal/bus/kafkabus"
)

// restartEnv names a command that kills the real broker and starts it again.
const restartEnv = "WAYBILL_TEST_KAFKA_RESTART"

var stress = flag.Bool("stress", false, "run Watermill's suite ten times at once")

// watermillBroker returns the address of the real broker if there is one, else
// of an in-process one for this test.
func watermillBroker(t *testing.T) (addr string, inProcess bool) {
	t.Helper()
	if addr = os.Getenv("WAYBILL_TEST_KAFKA"); addr != "" {
		return addr, false
	}
	return startBroker(t, kfake.NumBrokers(1)).ListenAddrs()[0], true
}

// TestWatermill runs Watermill's own suite: in its full size on a real broker,
// in its short one on the in-process broker, where it shall be quick. A topic
// has an order only within a partition, so the promise of one is tested with one
// partition, and everything else also with several.
func TestWatermill(t *testing.T) {
	t.Parallel()
	addr, inProcess := watermillBroker(t)
	for name, partitions := range map[string]int{"one partition": 1, "three partitions": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := watermillWorld{client: newClient(t, kafkabus.Config{Brokers: []string{addr}}), partitions: partitions}
			features := tests.Features{
				ConsumerGroups:                   true,
				GuaranteedOrder:                  partitions == 1,
				Persistent:                       true,
				NewSubscriberReceivesOldMessages: true,
				ForceShort:                       inProcess,
			}
			suite := tests.TestPubSub
			if *stress {
				suite = tests.TestPubSubStressTest
			}
			suite(t, features, w.pubSub, w.pubSubInGroup)
		})
	}
}

// TestWatermillReconnect is the one test of the suite that kills the broker, so
// it runs before the others, alone. It needs a real one: the in-process broker
// cannot be restarted by a command, and TestBrokerRestart does that below this.
func TestWatermillReconnect(t *testing.T) {
	command := os.Getenv(restartEnv)
	if command == "" {
		t.Skip("no command in " + restartEnv)
	}
	addr, _ := watermillBroker(t)
	w := watermillWorld{client: newClient(t, kafkabus.Config{Brokers: []string{addr}}), partitions: 3}
	tests.TestReconnect(t, tests.TestContext{
		TestID:   tests.NewTestID(),
		Features: tests.Features{RestartServiceCommand: []string{"sh", "-c", command}},
	}, w.pubSub)
}

// watermillWorld makes what the suite tests.
type watermillWorld struct {
	client     *kafkabus.Client
	partitions int
}

// pubSub gives the subscribers of a test one group, so that they share, except
// where the test wants each to get everything.
func (w watermillWorld) pubSub(t *testing.T) (message.Publisher, message.Subscriber) {
	t.Helper()
	group := t.Name()
	if strings.Contains(group, "/TestNewSubscriberReceivesOldMessages/") {
		group = uuid.NewString()
	}
	return w.pubSubInGroup(t, group)
}

func (w watermillWorld) pubSubInGroup(t *testing.T, group string) (message.Publisher, message.Subscriber) {
	t.Helper()
	return kafkabus.NewWatermillPublisher(w.client), w.subscriber(t, group)
}

// subscriber returns one that ends with the test: the suite leaves some open.
func (w watermillWorld) subscriber(t *testing.T, group string) *kafkabus.WatermillSubscriber {
	t.Helper()
	sub, err := kafkabus.NewWatermillSubscriber(w.client, kafkabus.WatermillConfig{
		Group: group, Partitions: w.partitions, Retention: time.Hour,
		MaxPause: 20 * time.Millisecond, // the suite refuses one message a hundred times
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sub.Close()) })
	return sub
}

// newWatermillWorld returns a world and the name of a topic that exists.
func newWatermillWorld(t *testing.T, partitions int) (watermillWorld, string) {
	t.Helper()
	addr, _ := watermillBroker(t)
	w := watermillWorld{client: newClient(t, kafkabus.Config{Brokers: []string{addr}}), partitions: partitions}
	topic := "watermill." + uuid.NewString()
	require.NoError(t, w.subscriber(t, "maker").SubscribeInitialize(topic))
	return w, topic
}
