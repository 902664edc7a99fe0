package kafkabus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"waybill/internal/failpoint"
)

const (
	commitInterval = 250 * time.Millisecond
	// finishTimeout is what the batches in hand get when a generation ends,
	// before their contexts do. It stays far below rebalanceTimeout: a member
	// that has not come back by then is thrown out.
	finishTimeout = 2 * time.Second
)

// generation is the time between two rebalances, in which the assignment of
// partitions stands.
type generation struct {
	gen     *kafka.Generation
	commits *commits
	readers sync.WaitGroup

	// work lives on for finishTimeout after the generation has ended, so that
	// batches in hand can be finished and committed.
	work    context.Context
	abandon context.CancelFunc
}

// start begins a generation: one goroutine a partition and one that commits.
// Each is known to kafka-go, which joins again only after all have returned.
func (k *consumer) start(gen *kafka.Generation, members *sync.WaitGroup) {
	g := &generation{gen: gen, commits: newCommits(gen)}
	g.work, g.abandon = context.WithCancel(context.Background())
	k.log.Info("joined generation", "generation", gen.ID, "partitions", len(g.commits.floor))
	k.opts.Handler.Joined(len(g.commits.floor))
	for topic, assigned := range gen.Assignments {
		for _, a := range assigned {
			r := newReader(k, g, topicPartition{topic, a.ID}, a.Offset)
			g.readers.Add(1)
			members.Add(1)
			gen.Start(func(ctx context.Context) {
				defer members.Done()
				defer g.readers.Done()
				r.run(ctx)
			})
		}
	}
	members.Add(1)
	gen.Start(func(ctx context.Context) {
		defer members.Done()
		k.commitLoop(ctx, g)
	})
}

// commitLoop commits what was handled, every commitInterval and once more
// after the readers have finished. It is part of the generation, so the
// coordinator knows the commits by their generation and refuses stale ones.
func (k *consumer) commitLoop(ctx context.Context, g *generation) {
	ticker := time.NewTicker(commitInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := g.commits.flush(); err != nil {
				k.commitFailed(err)
				if endsGeneration(err) {
					return // kafka-go ends the generation; the readers follow
				}
			}
		case <-ctx.Done():
			timer := time.AfterFunc(finishTimeout, g.abandon)
			g.readers.Wait()
			timer.Stop()
			g.abandon()
			if err := g.commits.flush(); err != nil {
				k.commitFailed(err)
			}
			return
		}
	}
}

func (k *consumer) commitFailed(err error) {
	k.client.metrics.commitFailed.Inc()
	k.log.Warn("committing offsets failed; records may come again", "error", err)
}

// endsGeneration says whether a failed commit means that this generation is
// over, or its connection unusable. Anything else is tried again.
func endsGeneration(err error) bool {
	var code kafka.Error
	if !errors.As(err, &code) {
		return true
	}
	switch code {
	case kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.RebalanceInProgress, kafka.NotCoordinatorForGroup:
		return true
	}
	return false
}

// commits holds the positions of a generation's partitions. Each is the end of
// a contiguous run of handled records, because a reader moves on only past
// what was handled.
type commits struct {
	gen *kafka.Generation

	mu    sync.Mutex
	floor map[topicPartition]int64 // committed, as far as we know; the assigned partitions are its keys
	dirty map[topicPartition]int64 // handled, to be committed
}

func newCommits(gen *kafka.Generation) *commits {
	c := &commits{gen: gen, floor: map[topicPartition]int64{}, dirty: map[topicPartition]int64{}}
	for topic, assigned := range gen.Assignments {
		for _, a := range assigned {
			c.floor[topicPartition{topic, a.ID}] = max(a.Offset, 0) // below 0: never committed
		}
	}
	return c
}

// handled notes that every record below next is done. A position that would
// lower the committed offset (a handler may begin below it) is not committed,
// nor is a partition that this generation does not hold: a broker would take both.
func (c *commits) handled(tp topicPartition, next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if floor, ours := c.floor[tp]; ours && next > floor {
		c.dirty[tp] = next
	}
}

// flush commits the positions that changed. What fails stays to be committed.
func (c *commits) flush() error {
	c.mu.Lock()
	offsets := make(map[string]map[int]int64, 1)
	for tp, next := range c.dirty {
		if offsets[tp.topic] == nil {
			offsets[tp.topic] = make(map[int]int64, len(c.dirty))
		}
		offsets[tp.topic][tp.partition] = next
	}
	c.mu.Unlock()
	if len(offsets) == 0 {
		return nil
	}
	failpoint.Reach(failpoint.KafkaBeforeCommit)
	if err := c.gen.CommitOffsets(offsets); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic, partitions := range offsets {
		for partition, next := range partitions {
			tp := topicPartition{topic, partition}
			c.floor[tp] = next
			if c.dirty[tp] == next {
				delete(c.dirty, tp)
			}
		}
	}
	return nil
}
