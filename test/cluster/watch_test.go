package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waybill/internal/events"
	"waybill/internal/testkit"
)

// client is a client of the broker that shares no code with Waybill.
func (c *cluster) client() *kgo.Client {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.broker.addresses(), ",")...), kgo.MetadataMinAge(100*time.Millisecond))
	require.NoError(c.t, err)
	c.t.Cleanup(client.Close)
	return client
}

// whilePlaying waits a while, as long as the simulation goes on: a test that
// outlives its load shows nothing.
func (c *cluster) whilePlaying(p *testkit.Process, d time.Duration) {
	c.t.Helper()
	select {
	case <-time.After(d):
	case <-p.Exited():
		require.FailNow(c.t, "the simulation ended too soon", p.Said())
	}
}

// watch samples the groups' committed offsets.
type watch struct {
	t       *testing.T
	stop    context.CancelFunc
	done    sync.WaitGroup
	samples int
	fell    []string
}

const sampleEvery = 200 * time.Millisecond

// watchOffsets begins to sample.
func (c *cluster) watchOffsets() *watch {
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{t: c.t, stop: stop}
	client := c.client()
	w.done.Go(func() {
		last := map[string]int64{}
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			for _, group := range []string{events.GroupRouter, events.GroupWorkers} {
				w.sample(ctx, client, group, last)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	c.t.Cleanup(func() { stop(); w.done.Wait() })
	return w
}

// sample compares a group's offsets with the last ones seen. A broker that is
// away is asked again at the next tick.
func (w *watch) sample(ctx context.Context, client *kgo.Client, group string, last map[string]int64) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	res, err := req.RequestWith(ctx, client)
	if err != nil || res.ErrorCode != 0 {
		return
	}
	w.samples++
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			key := fmt.Sprintf("%s of %s/%d", group, t.Topic, p.Partition)
			if p.Offset < last[key] {
				w.fell = append(w.fell, fmt.Sprintf("%s: %d after %d", key, p.Offset, last[key]))
			}
			last[key] = max(last[key], p.Offset)
		}
	}
}

// neverFell ends the sampling and requires that no committed offset was ever
// lower than before.
func (w *watch) neverFell() {
	w.t.Helper()
	w.stop()
	w.done.Wait()
	require.Empty(w.t, w.fell)
	require.Greater(w.t, w.samples, 10)
	w.t.Logf("committed offsets: %d samples, none fell", w.samples)
}

// partitions describes every partition of Waybill's topics.
func (c *cluster) partitions() ([]kmsg.MetadataResponseTopicPartition, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range events.TopicNames() {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &name
		req.Topics = append(req.Topics, topic)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
	defer cancel()
	res, err := req.RequestWith(ctx, c.client())
	if err != nil {
		return nil, err
	}
	var all []kmsg.MetadataResponseTopicPartition
	for _, t := range res.Topics {
		all = append(all, t.Partitions...)
	}
	return all, nil
}

// leaders returns how many partitions each broker leads.
func (c *cluster) leaders() map[int]int {
	c.t.Helper()
	all, err := c.partitions()
	require.NoError(c.t, err)
	led := map[int]int{}
	for _, p := range all {
		led[int(p.Leader)]++
	}
	return led
}

// inSync waits until every replica of every partition is in sync.
func (c *cluster) inSync() {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		all, err := c.partitions()
		for _, p := range all {
			behind := len(p.ISR) != len(p.Replicas) || !errors.Is(kerr.ErrorForCode(p.ErrorCode), nil)
			if behind {
				return false
			}
		}
		return err == nil
	}, time.Minute, 100*time.Millisecond, "replicas are not in sync again")
}

// members waits until a group is stable with so many members, and returns when
// that was seen.
func (c *cluster) members(group string, want int) time.Time {
	c.t.Helper()
	client := c.client()
	require.Eventually(c.t, func() bool {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{group}
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
		defer cancel()
		res, err := req.RequestWith(ctx, client)
		return err == nil && len(res.Groups) == 1 && res.Groups[0].State == "Stable" && len(res.Groups[0].Members) == want
	}, time.Minute, 5*time.Millisecond, "%s has not %d members", group, want)
	return time.Now()
}
