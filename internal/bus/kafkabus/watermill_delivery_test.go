package kafkabus_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/fault"
)

// receive returns the next message of a channel.
func receive(t *testing.T, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case msg, open := <-messages:
		require.True(t, open, "the channel is closed")
		return msg
	case <-time.After(40 * time.Second):
		require.FailNow(t, "no message")
		return nil
	}
}

func requireEnded(t *testing.T, ctx context.Context) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(40 * time.Second):
		require.FailNow(t, "the message's context goes on")
	}
}

func (w watermillWorld) subscribe(t *testing.T, sub *kafkabus.WatermillSubscriber, topic string) <-chan *message.Message {
	t.Helper()
	messages, err := sub.Subscribe(context.Background(), topic)
	require.NoError(t, err)
	return messages
}

// UUID, metadata and payload arrive as they were, whatever bytes they hold.
func TestWatermillRoundTrip(t *testing.T) {
	t.Parallel()
	w, topic := newWatermillWorld(t, 1)
	plain := message.NewMessage(uuid.NewString(), message.Payload("\x00\xff"))
	keyed := message.NewMessage("not a uuid", nil)
	keyed.Metadata = message.Metadata{"b": "\x00\xff", "a": "", "Ä": "2", kafkabus.MetadataKey: "\xfe key"}
	require.NoError(t, kafkabus.NewWatermillPublisher(w.client).Publish(topic, plain, keyed))
	messages := w.subscribe(t, w.subscriber(t, "group"), topic)
	for _, want := range []*message.Message{plain, keyed} {
		got := receive(t, messages)
		require.True(t, want.Equals(got), "%s: %s", want.UUID, cmp.Diff(want.Metadata, got.Metadata))
		got.Ack()
	}
	var keys []string
	require.NoError(t, w.client.Scan(t.Context(), topic, func(records []events.Record) error {
		for _, rec := range records {
			keys = append(keys, string(rec.Key))
		}
		return nil
	}))
	require.Equal(t, []string{plain.UUID, "\xfe key"}, keys)
}

// A record that no Watermill publisher wrote is a message too.
func TestWatermillForeignRecord(t *testing.T) {
	t.Parallel()
	w, topic := newWatermillWorld(t, 1)
	require.NoError(t, w.client.Publish(t.Context(), events.Record{
		Topic: topic, Key: []byte("k"), Value: []byte("v"),
		Headers: []events.Header{{Key: "h", Value: []byte("first")}, {Key: "h", Value: []byte("second")}},
	}))
	got := receive(t, w.subscribe(t, w.subscriber(t, "group"), topic))
	got.Ack()
	want := message.NewMessage(topic+"/0/0", message.Payload("v"))
	want.Metadata = message.Metadata{"h": "first", kafkabus.MetadataKey: "k"}
	require.True(t, want.Equals(got), "%v", got)
}

// What a handler did to a message that it then refused is not there when the
// message comes again.
func TestWatermillNackBringsTheOriginal(t *testing.T) {
	t.Parallel()
	w, topic := newWatermillWorld(t, 1)
	msg := message.NewMessage(uuid.NewString(), message.Payload("payload"))
	msg.Metadata.Set("attempt", "none")
	next := message.NewMessage(uuid.NewString(), nil)
	require.NoError(t, kafkabus.NewWatermillPublisher(w.client).Publish(topic, msg, next))
	messages := w.subscribe(t, w.subscriber(t, "group"), topic)
	for range 3 {
		got := receive(t, messages)
		require.True(t, msg.Equals(got))
		require.NoError(t, got.Context().Err())
		got.Metadata.Set("attempt", "failed")
		copy(got.Payload, "PAYLOAD")
		require.True(t, got.Nack())
		requireEnded(t, got.Context())
	}
	got := receive(t, messages)
	require.True(t, msg.Equals(got))
	require.True(t, got.Ack())
	requireEnded(t, got.Context())
	got = receive(t, messages)
	require.Equal(t, next.UUID, got.UUID)
	got.Ack()
}

// Two subscriptions of one group share the messages; another group gets all.
func TestWatermillGroups(t *testing.T) {
	t.Parallel()
	w, topic := newWatermillWorld(t, 2)
	type received struct{ by, uuid string }
	all := make(chan received, 1000)
	collect := func(name, group string) {
		messages := w.subscribe(t, w.subscriber(t, group), topic)
		go func() {
			for msg := range messages {
				all <- received{name, msg.UUID}
				msg.Ack()
			}
		}()
	}
	collect("first", "sharing")
	collect("second", "sharing")
	collect("third", "alone")
	pub := kafkabus.NewWatermillPublisher(w.client)
	seen := map[string]map[string]bool{"first": {}, "second": {}, "third": {}}
	published := map[string]bool{}
	deadline := time.After(40 * time.Second)
	// Messages go on until the group has settled and each member has had some.
	for len(seen["first"]) == 0 || len(seen["second"]) == 0 {
		for range 4 {
			id := uuid.NewString()
			published[id] = true
			require.NoError(t, pub.Publish(topic, message.NewMessage(id, nil)))
		}
		shared := func() (n int) {
			for id := range published {
				if seen["first"][id] || seen["second"][id] {
					n++
				}
			}
			return n
		}
		for len(seen["third"]) < len(published) || shared() < len(published) {
			select {
			case r := <-all:
				seen[r.by][r.uuid] = true
			case <-deadline:
				require.FailNow(t, "not everything arrived", "%d published, %d by the first, %d by the second, %d by the third",
					len(published), len(seen["first"]), len(seen["second"]), len(seen["third"]))
			}
		}
	}
}

// A message in hand may be finished while the subscriber closes, and then does
// not come again.
func TestWatermillCloseWaitsForTheMessageInHand(t *testing.T) {
	t.Parallel()
	w, topic := newWatermillWorld(t, 1)
	pub := kafkabus.NewWatermillPublisher(w.client)
	require.NoError(t, pub.Publish(topic, message.NewMessage("first", nil)))
	sub := w.subscriber(t, "group")
	messages := w.subscribe(t, sub, topic)
	first := receive(t, messages)
	closed := make(chan error, 1)
	go func() { closed <- sub.Close() }()
	require.Eventually(t, func() bool {
		_, err := sub.Subscribe(t.Context(), topic)
		return err != nil
	}, 10*time.Second, time.Millisecond)
	select {
	case <-closed:
		require.FailNow(t, "closed with a message in hand")
	case <-time.After(100 * time.Millisecond):
	}
	require.NoError(t, first.Context().Err(), "the handler may go on")
	require.True(t, first.Ack())
	require.NoError(t, <-closed)
	requireEnded(t, first.Context())
	_, open := <-messages
	require.False(t, open)

	require.NoError(t, pub.Publish(topic, message.NewMessage("second", nil)))
	second := receive(t, w.subscribe(t, w.subscriber(t, "group"), topic))
	require.Equal(t, "second", second.UUID, "the first was acknowledged")
	second.Ack()
}

func TestWatermillSubscriberMisuse(t *testing.T) {
	t.Parallel()
	client := newClient(t, kafkabus.Config{Brokers: []string{"127.0.0.1:1"}})
	_, err := kafkabus.NewWatermillSubscriber(client, kafkabus.WatermillConfig{})
	require.ErrorContains(t, err, "no group")
	sub, err := kafkabus.NewWatermillSubscriber(client, kafkabus.WatermillConfig{Group: "group"})
	require.NoError(t, err)
	require.ErrorContains(t, sub.SubscribeInitialize("t"), "no partitions")
	messages, err := sub.Subscribe(t.Context(), "t")
	require.NoError(t, err, "a cluster that is away is waited for")
	require.NoError(t, sub.Close())
	require.NoError(t, sub.Close())
	_, open := <-messages
	require.False(t, open)
	_, err = sub.Subscribe(t.Context(), "t")
	require.ErrorIs(t, err, kafkabus.ErrSubscriberClosed)
}

// One message that cannot be published does not hold back the others, and the
// error tells which it was.
func TestWatermillPublishReportsEachMessage(t *testing.T) {
	t.Parallel()
	w, topic := newWatermillWorld(t, 1)
	var batch []*message.Message
	for i := range 3 {
		batch = append(batch, message.NewMessage(fmt.Sprint(i), nil))
	}
	batch[1].UUID = "" // and so without a key
	err := kafkabus.NewWatermillPublisher(w.client).Publish(topic, batch...)
	var failed *bus.PublishError
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Errs, 3)
	require.NoError(t, failed.Errs[0])
	require.Equal(t, fault.Invalid, fault.ClassOf(failed.Errs[1]))
	require.NoError(t, failed.Errs[2])
	messages := w.subscribe(t, w.subscriber(t, "group"), topic)
	for _, want := range []string{"0", "2"} {
		got := receive(t, messages)
		require.Equal(t, want, got.UUID)
		got.Ack()
	}
}

// Closing a publisher closes that one alone; the context of any message ends a call.
func TestWatermillPublisherEnds(t *testing.T) {
	t.Parallel()
	w, topic := newWatermillWorld(t, 1)
	first, second := kafkabus.NewWatermillPublisher(w.client), kafkabus.NewWatermillPublisher(w.client)
	require.NoError(t, first.Close())
	require.NoError(t, first.Close())
	require.ErrorIs(t, first.Publish(topic, message.NewMessage("1", nil)), bus.ErrClosed)
	require.NoError(t, second.Publish(topic, message.NewMessage("2", nil)))
	require.NoError(t, second.Publish(topic), "no message is no failure")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := second.Publish(topic, message.NewMessage("3", nil), message.NewMessageWithContext(ctx, "4", nil))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, fault.Unavailable, fault.ClassOf(err))
}
