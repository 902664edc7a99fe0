package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
)

var consumeTests = map[string]func(*testing.T, *world){
	"ConsumeFromTheFirst":           consumeFromTheFirst,
	"ConsumeStartIsHonoured":        consumeStartIsHonoured,
	"ConsumeAgainNeverLowersCommit": consumeAgainNeverLowersCommit,
	"ConsumeErrorBringsSameAgain":   consumeErrorBringsSameAgain,
	"ConsumePanicBringsSameAgain":   consumePanicBringsSameAgain,
	"ConsumeFencedIsOpenedAgain":    consumeFencedIsOpenedAgain,
	"ConsumeOpenErrorIsRetried":     consumeOpenErrorIsRetried,
	"ConsumeCommitsOnlyWhatIsDone":  consumeCommitsOnlyWhatIsDone,
	"ConsumeFinishesBatchInHand":    consumeFinishesBatchInHand,
	"ConsumeIsQuick":                consumeIsQuick,
}

func consumeFromTheFirst(t *testing.T, w *world) {
	a, b := w.topic(t, 3), w.topic(t, 2, func(s *events.TopicSpec) { s.Name += ".second" })
	for i := range 20 {
		key := fmt.Sprint("key-", i)
		require.NoError(t, w.Publish(w.ctx, append(numbers(a, key, 0, 10), numbers(b, key, 0, 10)...)...))
	}
	r := newRecorder()
	m := w.join(t, w.name("group"), r, a, b)
	got := r.awaitTaken(t, 400)
	byKey := map[string][]string{}
	for _, rec := range got {
		byKey[rec.Topic+string(rec.Key)] = append(byKey[rec.Topic+string(rec.Key)], string(rec.Value))
	}
	require.Len(t, byKey, 40)
	for key, vs := range byKey {
		require.Equal(t, sequence(0, 10), vs, key)
	}
	for _, a := range r.opened {
		require.EqualValues(t, -1, a.Committed)
		require.Zero(t, a.First)
	}
	m.leave(t)
	require.Len(t, r.opened, 5)
	require.Equal(t, 5, r.closed)
}

// The handler's own position decides, whatever the group committed.
func consumeStartIsHonoured(t *testing.T, w *world) {
	for name, start := range map[string]int64{"below": 3, "at": 10, "above": 14, "end": 20} {
		topic := w.topic(t, 1, func(s *events.TopicSpec) { s.Name += "." + name })
		require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 0, 20)...))
		group := w.name(name)
		w.commit(w.ctx, t, group, topic, 0, 10)
		r := newRecorder()
		r.start = func(bus.Assignment) int64 { return start }
		m := w.join(t, group, r, topic)
		r.await(t, "assignment", func() bool { return len(r.opened) == 1 })
		require.Equal(t, bus.Assignment{Topic: topic, Committed: 10, End: 20}, r.opened[0])
		require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 20, 21)...))
		got := r.awaitTaken(t, 21-int(start))
		require.Equal(t, sequence(int(start), 21), values(got), name)
		m.leave(t)
		at, err := w.committed(w.ctx, group, topic, 0)
		require.NoError(t, err)
		require.EqualValues(t, 21, at)
	}
}

// A handler that begins below the commit, as after a restore of its database,
// does what was done before; what it committed stays.
func consumeAgainNeverLowersCommit(t *testing.T, w *world) {
	const total = 1500 // more than a batch holds
	topic, group := w.topic(t, 1), w.name("group")
	require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 0, total)...))
	w.commit(w.ctx, t, group, topic, 0, total)
	r := newRecorder()
	r.start = func(bus.Assignment) int64 { return 0 }
	r.handle = func(ctx context.Context, records []events.Record) error {
		if records[0].Offset == 0 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	m := w.join(t, group, r, topic)
	r.await(t, "a second batch", func() bool { return len(r.taken) > 0 && len(r.offered) > len(r.taken) })
	require.Less(t, len(r.snapshot()), total)
	m.leave(t)
	at, err := w.committed(w.ctx, group, topic, 0)
	require.NoError(t, err)
	require.EqualValues(t, total, at)
}

func consumeErrorBringsSameAgain(t *testing.T, w *world) {
	refuseThreeTimes(t, w, func() error { return errors.New("not now") })
}

func consumePanicBringsSameAgain(t *testing.T, w *world) {
	refuseThreeTimes(t, w, func() error { panic("not now") })
}

func refuseThreeTimes(t *testing.T, w *world, refuse func() error) {
	topic := w.topic(t, 1)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 0, 10)...))
	var attempts [][]string
	r := newRecorder()
	r.handle = func(_ context.Context, records []events.Record) error {
		attempts = append(attempts, values(records))
		if len(attempts) <= 3 {
			return refuse()
		}
		return nil
	}
	m := w.join(t, w.name("group"), r, topic)
	got := r.awaitTaken(t, 10)
	m.leave(t)
	require.Equal(t, sequence(0, 10), values(got))
	for _, a := range attempts[1:4] {
		require.Equal(t, attempts[0], a)
	}
	require.Len(t, r.opened, 1, "an error does not end the generation")
}

func consumeFencedIsOpenedAgain(t *testing.T, w *world) {
	topic := w.topic(t, 2)
	for i := range 10 {
		require.NoError(t, w.Publish(w.ctx, numbers(topic, fmt.Sprint(i), 0, 1)...))
	}
	var fenced atomic.Bool
	r := newRecorder()
	r.handle = func(context.Context, []events.Record) error {
		if !fenced.Swap(true) {
			return bus.ErrFenced
		}
		return nil
	}
	w.join(t, w.name("group"), r, topic)
	r.await(t, "every record", func() bool { return len(distinct(r.taken)) == 10 && len(r.opened) >= 4 })
}

func distinct(records []events.Record) map[events.Position]int {
	seen := map[events.Position]int{}
	for i := range records {
		seen[records[i].Position()]++
	}
	return seen
}

func consumeOpenErrorIsRetried(t *testing.T, w *world) {
	topic := w.topic(t, 1)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 0, 3)...))
	r := newRecorder()
	w.join(t, w.name("group"), &stubborn{Handler: r, refusals: 3}, topic)
	require.Equal(t, sequence(0, 3), values(r.awaitTaken(t, 3)))
}

type stubborn struct {
	bus.Handler
	refusals int
}

func (s *stubborn) Open(ctx context.Context, a bus.Assignment) (bus.Partition, error) {
	if s.refusals--; s.refusals >= 0 {
		return nil, errors.New("not yet")
	}
	return s.Handler.Open(ctx, a)
}

// What the handler never accepts is never committed, nor what lies behind it,
// while another partition goes on.
func consumeCommitsOnlyWhatIsDone(t *testing.T, w *world) {
	topic := w.topic(t, 2)
	poisoned, healthy := w.twoKeys(t, topic)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, poisoned, 0, 5)...))
	group := w.name("group")
	r := newRecorder()
	r.handle = func(_ context.Context, records []events.Record) error {
		if slices.ContainsFunc(records, func(rec events.Record) bool { return string(rec.Value) == "poison" }) {
			return errors.New("no")
		}
		return nil
	}
	m := w.join(t, group, r, topic)
	r.awaitTaken(t, 5)
	poison := numbers(topic, poisoned, 5, 10)
	poison[2].Value = []byte("poison")
	require.NoError(t, w.Publish(w.ctx, poison...))
	require.NoError(t, w.Publish(w.ctx, numbers(topic, healthy, 0, 50)...))
	r.awaitTaken(t, 55)
	r.await(t, "a second attempt", func() bool { return count(r.offered, "poison") >= 2 })
	w.awaitCommitted(t, group, topic, 50)
	m.leave(t)
	at := w.allCommitted(t, group, topic, 2)
	slices.Sort(at)
	require.LessOrEqual(t, at[0], int64(7), "the poison is at 7")
	require.GreaterOrEqual(t, at[0], int64(5))
	require.EqualValues(t, 50, at[1])
}

func count(records []events.Record, value string) (n int) {
	for i := range records {
		if string(records[i].Value) == value {
			n++
		}
	}
	return n
}

// twoKeys returns keys of two different partitions, for an empty topic it leaves empty.
func (w *world) twoKeys(t *testing.T, topic string) (string, string) {
	t.Helper()
	probe := w.topic(t, 2, func(s *events.TopicSpec) { s.Name = topic + ".probe" })
	first := w.partitionOf(w.ctx, t, probe, []byte("a"))
	for i := range 100 {
		if key := fmt.Sprint("b", i); w.partitionOf(w.ctx, t, probe, []byte(key)) != first {
			return "a", key
		}
	}
	require.FailNow(t, "every key went to one partition")
	return "", ""
}

func (w *world) allCommitted(t *testing.T, group, topic string, partitions int) []int64 {
	t.Helper()
	out := make([]int64, partitions)
	for p := range out {
		at, err := w.committed(w.ctx, group, topic, p)
		require.NoError(t, err)
		out[p] = at
	}
	return out
}

// awaitCommitted waits until some partition of two is committed up to an offset.
func (w *world) awaitCommitted(t *testing.T, group, topic string, offset int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		return slices.Contains(w.allCommitted(t, group, topic, 2), offset)
	}, patience, 20*time.Millisecond)
}

// A stop in the middle of a batch lets it finish, commits it, and only then returns.
func consumeFinishesBatchInHand(t *testing.T, w *world) {
	topic := w.topic(t, 1)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 0, 10)...))
	begun, finish := make(chan struct{}), make(chan struct{})
	r := newRecorder()
	r.handle = func(ctx context.Context, _ []events.Record) error {
		close(begun)
		<-finish
		return ctx.Err()
	}
	group := w.name("group")
	m := w.join(t, group, r, topic)
	<-begun
	m.stop()
	select {
	case <-m.done:
		require.FailNow(t, "Run returned with a batch in hand")
	case <-time.After(300 * time.Millisecond):
	}
	close(finish)
	m.leave(t)
	require.Len(t, r.snapshot(), 10)
	at, err := w.committed(w.ctx, group, topic, 0)
	require.NoError(t, err)
	require.EqualValues(t, 10, at)
}

// A record on an idle topic is handled within a fraction of a second.
func consumeIsQuick(t *testing.T, w *world) {
	topic := w.topic(t, 3)
	r := newRecorder()
	w.join(t, w.name("group"), r, topic)
	r.await(t, "assignment", func() bool { return len(r.opened) == 3 })
	var took []time.Duration
	for i := range 10 {
		start := time.Now()
		require.NoError(t, w.Publish(w.ctx, numbers(topic, fmt.Sprint(i), 0, 1)...))
		r.awaitTaken(t, i+1)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	t.Logf("publish to handled: median %s, worst %s", took[5], took[9])
	require.Less(t, took[5], 250*time.Millisecond)
}
