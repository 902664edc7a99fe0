package bustest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// oracle speaks with the broker past the implementation under test.
type oracle struct{ client *kgo.Client }

func newOracle(t *testing.T, addr string) *oracle {
	t.Helper()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(addr),
		kgo.MaxVersions(kversion.V2_8_0()),                   // requests in the plain shape of before batching
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // murmur2, as Java's
		kgo.ProducerBatchMaxBytes(2<<20),
	)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return &oracle{client: client}
}

// partitionOf publishes a key and returns the partition it went to.
func (o *oracle) partitionOf(ctx context.Context, t *testing.T, topic string, key []byte) int {
	t.Helper()
	rec, err := o.client.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: key}).First()
	require.NoError(t, err)
	return int(rec.Partition)
}

// committed returns a group's committed offset of one partition, -1 if none.
func (o *oracle) committed(ctx context.Context, group, topic string, partition int) (int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: []int32{int32(partition)}}}
	res, err := req.RequestWith(ctx, o.client)
	if err != nil {
		return 0, err
	}
	if err := kerr.ErrorForCode(res.ErrorCode); err != nil {
		return 0, err
	}
	for _, topic := range res.Topics {
		for _, p := range topic.Partitions {
			return p.Offset, kerr.ErrorForCode(p.ErrorCode)
		}
	}
	return -1, nil // the group does not exist yet
}

// commit sets a group's committed offset as an operator's tool does, without
// being a member.
func (o *oracle) commit(ctx context.Context, t *testing.T, group, topic string, partition int, offset int64) {
	t.Helper()
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset = int32(partition), offset
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	res, err := req.RequestWith(ctx, o.client)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode))
}

// deleteBelow moves a partition's log start, as retention does.
func (o *oracle) deleteBelow(ctx context.Context, t *testing.T, topic string, partition int, offset int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 5000
	req.Topics = []kmsg.DeleteRecordsRequestTopic{{
		Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: int32(partition), Offset: offset}},
	}}
	res, err := req.RequestWith(ctx, o.client)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode))
}
