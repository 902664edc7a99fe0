package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/segmentio/kafka-go"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// Three replicas of which two must have a record: one broker may be lost
// without losing an acknowledged record, and without standing still.
const (
	wantReplicas = 3
	wantInSync   = 2
)

// EnsureTopics implements [bus.Admin]. It replicates threefold where the
// cluster has three brokers, else as often as it has brokers, and returns when
// every topic can be written to.
func (c *Client) EnsureTopics(ctx context.Context, specs []events.TopicSpec) error {
	client, done := c.fresh(topicNames(specs)...)
	defer done()
	meta, err := clusterMetadata(ctx, client, specs)
	if err != nil {
		return fmt.Errorf("asking for the cluster's brokers: %w", unavailable(err))
	}
	var missing []kafka.TopicConfig
	for i, spec := range specs {
		if unknownTopic(meta.Topics[i].Error) {
			missing = append(missing, topicConfig(spec, replicas(len(meta.Brokers))))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	err = persist(ctx, func() error {
		res, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: missing})
		if err != nil {
			return err
		}
		for topic, err := range res.Errors {
			if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
				return fmt.Errorf("creating topic %s: %w", topic, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return persist(ctx, func() error { return c.serving(ctx, specs) })
}

// serving returns an error while a topic is unknown or a partition has no leader.
func (c *Client) serving(ctx context.Context, specs []events.TopicSpec) error {
	client, done := c.fresh(topicNames(specs)...)
	defer done()
	meta, err := clusterMetadata(ctx, client, specs)
	if err != nil {
		return err
	}
	for _, t := range meta.Topics {
		if t.Error != nil {
			return fmt.Errorf("waiting for topic %s: %w", t.Name, t.Error)
		}
		for _, p := range t.Partitions {
			if p.Error != nil {
				return fmt.Errorf("waiting for %s/%d: %w", t.Name, p.ID, p.Error)
			}
		}
	}
	return nil
}

// clusterMetadata describes the topics of specs, in their order.
func clusterMetadata(ctx context.Context, client *kafka.Client, specs []events.TopicSpec) (*kafka.MetadataResponse, error) {
	var meta *kafka.MetadataResponse
	err := persist(ctx, func() (err error) {
		meta, err = client.Metadata(ctx, &kafka.MetadataRequest{Topics: topicNames(specs)})
		return err
	})
	return meta, err
}

func topicNames(specs []events.TopicSpec) []string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	return names
}

func replicas(brokers int) int { return min(wantReplicas, max(brokers, 1)) }

func topicConfig(spec events.TopicSpec, replicas int) kafka.TopicConfig {
	var entries []kafka.ConfigEntry
	for name, value := range settings(spec, replicas) {
		entries = append(entries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	return kafka.TopicConfig{
		Topic: spec.Name, NumPartitions: spec.Partitions, ReplicationFactor: replicas, ConfigEntries: entries,
	}
}

// settings returns a topic's configuration in Kafka's words. Retention is
// always said aloud: a broker's own default may be shorter.
func settings(spec events.TopicSpec, replicas int) map[string]string {
	s := map[string]string{
		"cleanup.policy":    "compact",
		"max.message.bytes": strconv.Itoa(spec.MaxMessage),
	}
	if spec.MaxMessage == 0 {
		delete(s, "max.message.bytes")
	}
	if !spec.Compacted {
		s["cleanup.policy"] = "delete"
		s["retention.ms"] = strconv.FormatInt(spec.Retention.Milliseconds(), 10)
		s["retention.bytes"] = "-1"
		if spec.RetentionBytes > 0 {
			s["retention.bytes"] = strconv.FormatInt(spec.RetentionBytes, 10)
		}
	}
	if spec.SegmentAge > 0 {
		s["segment.ms"] = strconv.FormatInt(spec.SegmentAge.Milliseconds(), 10)
	}
	if spec.SegmentBytes > 0 {
		s["segment.bytes"] = strconv.FormatInt(spec.SegmentBytes, 10)
	}
	if replicas >= wantReplicas {
		s["min.insync.replicas"] = strconv.Itoa(wantInSync)
	}
	return s
}

// Offsets implements [bus.Admin]. Partitions come in order.
func (c *Client) Offsets(ctx context.Context, group, topic string) ([]bus.Assignment, error) {
	client, done := c.fresh(topic)
	defer done()
	var out []bus.Assignment
	err := persist(ctx, func() (err error) {
		out, err = offsets(ctx, client, group, topic)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing offsets of %s: %w", topic, unavailable(err))
	}
	return out, nil
}

func offsets(ctx context.Context, client *kafka.Client, group, topic string) ([]bus.Assignment, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, err
	}
	if err := meta.Topics[0].Error; err != nil {
		return nil, err
	}
	var ids []int
	for _, p := range meta.Topics[0].Partitions {
		ids = append(ids, p.ID)
	}
	bounds, err := logBounds(ctx, client, topic, ids)
	if err != nil {
		return nil, err
	}
	committed, err := committedOffsets(ctx, client, group, topic, ids)
	if err != nil {
		return nil, err
	}
	out := make([]bus.Assignment, len(ids))
	for i, id := range ids {
		out[i] = bus.Assignment{
			Topic: topic, Partition: id, Committed: -1,
			First: bounds[id].FirstOffset, End: bounds[id].LastOffset,
		}
		if offset, ok := committed[id]; ok {
			out[i].Committed = offset
		}
	}
	return out, nil
}

func committedOffsets(ctx context.Context, client *kafka.Client, group, topic string, ids []int) (map[int]int64, error) {
	if group == "" {
		return nil, nil
	}
	res, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: ids}})
	if err != nil {
		return nil, err
	}
	if res.Error != nil && !errors.Is(res.Error, kafka.GroupIdNotFound) {
		return nil, res.Error
	}
	committed := make(map[int]int64, len(ids))
	for _, p := range res.Topics[topic] {
		if p.Error != nil {
			return nil, p.Error
		}
		committed[p.Partition] = p.CommittedOffset
	}
	return committed, nil
}
