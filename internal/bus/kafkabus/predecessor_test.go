package kafkabus_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
)

// longSession is how long a broker would wait for a dead member of these tests.
const longSession = 5 * time.Minute

// place returns a broker, the real one if the tests have one, with a topic of one
// partition and a group's name that nobody else uses.
func place(t *testing.T) (addr, topic, group string) {
	t.Helper()
	topic, group = "predecessors-"+uuid.NewString(), "group-"+uuid.NewString()
	if addr = os.Getenv("WAYBILL_TEST_KAFKA"); addr == "" {
		addr = startBroker(t, kfake.NumBrokers(1), kfake.GroupMaxSessionTimeout(longSession)).ListenAddrs()[0]
	}
	client := newClient(t, kafkabus.Config{Brokers: []string{addr}})
	require.NoError(t, client.EnsureTopics(t.Context(), []events.TopicSpec{{Name: topic, Partitions: 1}}))
	return addr, topic, group
}

// died joins a group under a client's name, alone, and is never heard of again.
// Nobody else is given anything before its session ends.
func died(t *testing.T, addr, name, group, topic string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ClientID(name))
	require.NoError(t, err)
	defer client.Close()
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.ProtocolType = group, "consumer"
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = int32(longSession.Milliseconds()), int32(longSession.Milliseconds())
	metadata := kmsg.NewConsumerMemberMetadata()
	metadata.Topics = []string{topic}
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = "range", metadata.AppendTo(nil)
	join.Protocols = append(join.Protocols, protocol)
	var joined *kmsg.JoinGroupResponse
	for range 2 { // the first answer names the member
		joined, err = join.RequestWith(t.Context(), client)
		require.NoError(t, err)
		join.MemberID = joined.MemberID
	}
	require.Zero(t, joined.ErrorCode)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.Generation = group, joined.MemberID, joined.Generation
	sync.ProtocolType, sync.Protocol = &join.ProtocolType, &protocol.Name
	synced, err := sync.RequestWith(t.Context(), client)
	require.NoError(t, err)
	require.Zero(t, synced.ErrorCode)
}

// Who starts where a process died takes its place at once.
func TestAPredecessorIsReplaced(t *testing.T) {
	t.Parallel()
	addr, topic, group := place(t)
	died(t, addr, "waybill@host/127.0.0.1:9090", group, topic)
	client := newClient(t, kafkabus.Config{Brokers: []string{addr}, Instance: "host/127.0.0.1:9090"})
	got := make(taker, 1)
	run(t, client, group, got, topic)
	require.NoError(t, client.Publish(t.Context(), record(topic, 1)))
	select {
	case <-got:
	case <-time.After(20 * time.Second):
		require.FailNow(t, "the dead member is waited for")
	}
}

// Whoever else is in the group stays.
func TestNobodyElseIsReplaced(t *testing.T) {
	t.Parallel()
	addr, topic, groups := place(t)
	for _, other := range []string{"waybill", "waybill@host/127.0.0.1:9091", "waybill@other/127.0.0.1:9090"} {
		t.Run(other, func(t *testing.T) {
			t.Parallel()
			group := groups + strings.ReplaceAll(other, "/", "-")
			died(t, addr, other, group, topic)
			client := newClient(t, kafkabus.Config{Brokers: []string{addr}, Instance: "host/127.0.0.1:9090"})
			ctx, leave := context.WithTimeout(t.Context(), time.Second)
			defer leave()
			require.NoError(t, client.Consumer(kafkabus.ConsumerOptions{Group: group, Topics: []string{topic}, Handler: make(taker)}).Run(ctx))
			require.Contains(t, memberNames(t, addr, group), other)
		})
	}
}

func memberNames(t *testing.T, addr, group string) (names []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	require.NoError(t, err)
	defer client.Close()
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{group}
	res, err := describe.RequestWith(t.Context(), client)
	require.NoError(t, err)
	for _, m := range res.Groups[0].Members {
		names = append(names, m.ClientID)
	}
	return names
}
