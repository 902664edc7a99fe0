package kafkabus_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/fault"
)

// A record is acknowledged when every in-sync replica has it, whatever the
// broker would be content with; also one that is sent again after a failure.
func TestEveryInSyncReplicaIsAskedFor(t *testing.T) {
	t.Parallel()
	const all = -1
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	client := newClient(t, kafkabus.Config{Brokers: broker.ListenAddrs()})
	var asked, other atomic.Int64
	broker.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if req.(*kmsg.ProduceRequest).Acks != all {
			other.Add(1)
		}
		if asked.Add(1) == 1 {
			return nil, errors.New("closing the connection"), true
		}
		return nil, nil, false
	})
	require.NoError(t, client.Publish(t.Context(), record("t", 1), record("t", 2)))
	require.Greater(t, asked.Load(), int64(1))
	require.Zero(t, other.Load())
}

// A broker that has a record and does not say so in time has not acknowledged
// it: whoever gives up waiting is told that it may not be there.
func TestWhatIsNotAcknowledgedInTimeIsAnError(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	client := newClient(t, kafkabus.Config{Brokers: broker.ListenAddrs()})
	require.NoError(t, client.Publish(t.Context(), record("t", 1)))
	asked, answer := make(chan struct{}), make(chan struct{})
	broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(asked)
		<-answer
		return nil, nil, false
	})
	ctx, giveUp := context.WithCancel(t.Context())
	published := make(chan error, 1)
	go func() { published <- client.Publish(ctx, record("t", 2)) }()
	<-asked
	giveUp()
	err := <-published
	close(answer)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, fault.Unavailable, fault.ClassOf(err))
	values, _ := firsts(t, client, "t")
	require.Equal(t, []string{"1", "2"}, values, "and yet it may be there")
}
