package kafkabus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// CheckTopics implements [bus.Admin]. Problems come in the order of specs. A
// topic that takes larger records than its spec is as it should be. Beside the
// contract's words a problem may be "max_message" or "segment_age".
func (c *Client) CheckTopics(ctx context.Context, specs []events.TopicSpec) ([]bus.TopicProblem, error) {
	client, done := c.fresh(topicNames(specs)...)
	defer done()
	meta, err := clusterMetadata(ctx, client, specs)
	if err != nil {
		return nil, fmt.Errorf("describing topics: %w", unavailable(err))
	}
	var problems []bus.TopicProblem
	for i, spec := range specs {
		topic := meta.Topics[i]
		if unknownTopic(topic.Error) {
			problems = append(problems, bus.TopicProblem{
				Topic: spec.Name, What: "missing", Want: strconv.Itoa(spec.Partitions) + " partitions", Have: "no topic", Fatal: true,
			})
			continue
		}
		if topic.Error != nil {
			return nil, fmt.Errorf("describing topic %s: %w", spec.Name, unavailable(topic.Error))
		}
		have, err := topicSettings(ctx, client, spec.Name)
		if err != nil {
			return nil, fmt.Errorf("describing topic %s: %w", spec.Name, unavailable(err))
		}
		check := topicCheck{spec: spec, topic: topic, have: have, replicas: replicas(len(meta.Brokers))}
		problems = append(problems, check.run()...)
	}
	return problems, nil
}

func topicSettings(ctx context.Context, client *kafka.Client, topic string) (map[string]string, error) {
	have := map[string]string{}
	err := persist(ctx, func() error {
		res, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
			Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}},
		})
		if err != nil {
			return err
		}
		for _, r := range res.Resources {
			if r.Error != nil {
				return r.Error
			}
			for _, e := range r.ConfigEntries {
				have[e.ConfigName] = e.ConfigValue
			}
		}
		return nil
	})
	return have, err
}

// topicCheck compares one topic with its spec.
type topicCheck struct {
	spec     events.TopicSpec
	topic    kafka.Topic
	have     map[string]string
	replicas int // that a topic of this cluster should have
	problems []bus.TopicProblem
}

func (c *topicCheck) run() []bus.TopicProblem {
	if n := len(c.topic.Partitions); n != c.spec.Partitions {
		c.found("partitions", strconv.Itoa(c.spec.Partitions), strconv.Itoa(n), true)
	}
	want := settings(c.spec, c.replicas)
	if policy := c.have["cleanup.policy"]; policy != want["cleanup.policy"] {
		c.found("compaction", want["cleanup.policy"], policy, true)
	}
	if !c.spec.Compacted {
		c.retention(want)
	}
	if limit := c.number("max.message.bytes"); c.spec.MaxMessage > 0 && limit < int64(c.spec.MaxMessage) {
		c.found("max_message", want["max.message.bytes"], strconv.FormatInt(limit, 10), true)
	}
	c.replication()
	return c.problems
}

// retention is not fatal: what a shorter one costs is time to repair, what a
// longer one costs is that people's data stays longer than is promised.
func (c *topicCheck) retention(want map[string]string) {
	if ms := c.number("retention.ms"); ms != c.spec.Retention.Milliseconds() {
		c.found("retention", c.spec.Retention.String(), duration(ms), false)
	}
	if ms := c.number("segment.ms"); c.spec.SegmentAge > 0 && (ms < 0 || ms > c.spec.SegmentAge.Milliseconds()) {
		c.found("segment_age", c.spec.SegmentAge.String(), duration(ms), false)
	}
	bytes := c.number("retention.bytes")
	if bytes >= 0 && (c.spec.RetentionBytes == 0 || bytes < c.spec.RetentionBytes) {
		c.found("retention", want["retention.bytes"]+" bytes", strconv.FormatInt(bytes, 10)+" bytes", false)
	}
}

// duration shows a setting in milliseconds, of which a negative one is Kafka's
// word for no limit.
func duration(ms int64) string {
	if ms < 0 {
		return "unlimited"
	}
	return (time.Duration(ms) * time.Millisecond).String()
}

// replication is fatal where the cluster could do better: an acknowledgement
// from one replica is no durable record.
func (c *topicCheck) replication() {
	fewest := c.replicas
	for _, p := range c.topic.Partitions {
		fewest = min(fewest, len(p.Replicas))
	}
	if fewest < c.replicas {
		c.found("replication", strconv.Itoa(c.replicas), strconv.Itoa(fewest), c.replicas >= wantReplicas)
	}
	if inSync := c.number("min.insync.replicas"); c.replicas >= wantReplicas && inSync < wantInSync {
		c.found("min_insync", strconv.Itoa(wantInSync), strconv.FormatInt(inSync, 10), true)
	}
}

// number returns a numeric setting, -1 (Kafka's "unlimited") if it has none.
func (c *topicCheck) number(name string) int64 {
	n, err := strconv.ParseInt(c.have[name], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (c *topicCheck) found(what, want, have string, fatal bool) {
	c.problems = append(c.problems, bus.TopicProblem{Topic: c.spec.Name, What: what, Want: want, Have: have, Fatal: fatal})
}
