package bustest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

var groupTests = map[string]func(*testing.T, *world){
	"GroupSharesPartitions":      groupSharesPartitions,
	"GroupKnowsItsSpares":        groupKnowsItsSpares,
	"GroupHandsOverQuickly":      groupHandsOverQuickly,
	"GroupNeverCommitsBackwards": groupNeverCommitsBackwards,
	"GroupCutsOffASlowHandler":   groupCutsOffASlowHandler,
}

func groupSharesPartitions(t *testing.T, w *world) {
	topic, group := w.topic(t, 4), w.name("group")
	one, two := newRecorder(), newRecorder()
	w.join(t, group, one, topic)
	one.await(t, "all partitions", func() bool { return len(one.opened)-one.closed == 4 })
	w.joinOver(t, w.h.Open(t), group, two, topic)
	two.await(t, "half the partitions", func() bool { return len(two.opened)-two.closed == 2 })
	one.await(t, "the other half", func() bool { return len(one.opened)-one.closed == 2 })
	for i := range 40 {
		require.NoError(t, w.Publish(w.ctx, numbers(topic, fmt.Sprint(i), 0, 1)...))
	}
	require.Eventually(t, func() bool { return len(one.snapshot())+len(two.snapshot()) == 40 }, patience, 10*time.Millisecond)
	held := map[int]bool{}
	for _, rec := range one.snapshot() {
		held[rec.Partition] = true
	}
	for _, rec := range two.snapshot() {
		require.False(t, held[rec.Partition], "partition %d went to both", rec.Partition)
	}
}

// A member that is left without partitions is a member all the same, and takes
// over when the other leaves.
func groupKnowsItsSpares(t *testing.T, w *world) {
	topic, group := w.topic(t, 1), w.name("group")
	one, two := newRecorder(), newRecorder()
	first := w.join(t, group, one, topic)
	one.await(t, "the partition", func() bool { return len(one.opened) == 1 })
	second := w.joinOver(t, w.h.Open(t), group, two, topic)
	two.await(t, "a generation", func() bool { return len(two.joined) > 0 })
	one.await(t, "another generation", func() bool { return len(one.joined) > 1 })
	spare, owner := two, first
	if two.assigned() == 1 { // the coordinator chose the newcomer
		spare, owner = one, second
	}
	owner.leave(t)
	spare.await(t, "the partition", func() bool { return spare.joined[len(spare.joined)-1] == 1 })
}

func groupHandsOverQuickly(t *testing.T, w *world) {
	topic, group := w.topic(t, 2), w.name("group")
	one, two := newRecorder(), newRecorder()
	first := w.join(t, group, one, topic)
	one.await(t, "all partitions", func() bool { return len(one.opened) == 2 })
	w.joinOver(t, w.h.Open(t), group, two, topic)
	two.await(t, "a share", func() bool { return len(two.opened)-two.closed == 1 })
	one.await(t, "the rest", func() bool { return len(one.opened)-one.closed == 1 })

	start := time.Now()
	first.leave(t)
	two.await(t, "all partitions", func() bool { return len(two.opened)-two.closed == 2 })
	took := time.Since(start)
	t.Logf("hand-over took %s", took)
	require.Less(t, took, 2*time.Second)
}

// Members come and go while records flow. Every record is handled, and the
// committed offsets, sampled all the time, never fall.
func groupNeverCommitsBackwards(t *testing.T, w *world) {
	const partitions, total = 3, 1200
	topic, group := w.topic(t, partitions), w.name("group")

	sampled, stopSampling := context.WithCancel(w.ctx)
	falls := make(chan error, 1)
	go func() { falls <- w.watchCommits(sampled, group, topic, partitions) }()

	published := make(chan error, 1)
	go func() {
		for i := range total {
			if err := w.Publish(w.ctx, numbers(topic, fmt.Sprint(i%17), i, i+1)...); err != nil {
				published <- err
				return
			}
		}
		published <- nil
	}()

	r := newRecorder() // shared: together the members must take everything
	r.handle = func(ctx context.Context, _ []events.Record) error {
		select { // a transaction takes its time
		case <-time.After(3 * time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.join(t, group, r, topic)
	other := w.h.Open(t)
	for range 4 {
		before := len(r.snapshot())
		m := w.joinOver(t, other, group, r, topic)
		r.await(t, "progress", func() bool { return len(r.taken) > before+20 || len(distinct(r.taken)) == total })
		m.leave(t)
	}
	require.NoError(t, <-published)
	r.await(t, "every record", func() bool { return len(distinct(r.taken)) == total })
	require.Eventually(t, func() bool {
		var sum int64
		for _, at := range w.allCommitted(t, group, topic, partitions) {
			sum += at
		}
		return sum == total
	}, patience, 20*time.Millisecond)
	stopSampling()
	require.NoError(t, <-falls)
}

// watchCommits samples the commits until ctx ends; a fall is an error.
func (w *world) watchCommits(ctx context.Context, group, topic string, partitions int) error {
	highest := slices.Repeat([]int64{-1}, partitions)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		for p := range highest {
			at, err := w.committed(w.ctx, group, topic, p)
			if err != nil {
				continue // the coordinator is on its way
			}
			if at < highest[p] {
				return fmt.Errorf("partition %d: the commit fell from %d to %d", p, highest[p], at)
			}
			highest[p] = at
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// A handler that is still busy when another member joins gets a moment; then
// its context ends, and its records go to whoever holds the partition next.
func groupCutsOffASlowHandler(t *testing.T, w *world) {
	topic, group := w.topic(t, 1), w.name("group")
	require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 0, 10)...))
	begun := make(chan struct{}, 10)
	slow, quick := newRecorder(), newRecorder()
	slow.handle = func(ctx context.Context, _ []events.Record) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	m := w.join(t, group, slow, topic)
	<-begun
	w.joinOver(t, w.h.Open(t), group, quick, topic)
	m.leave(t)
	require.Equal(t, sequence(0, 10), values(quick.awaitTaken(t, 10)))
	require.Empty(t, slow.snapshot())
}
