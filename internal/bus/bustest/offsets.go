package bustest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
)

var offsetTests = map[string]func(*testing.T, *world){
	"OffsetBelowTheLogBeginsAtItsFirst":   offsetBelowTheLog,
	"OffsetBeyondTheLogStopsThePartition": offsetBeyondTheLog,
	"OffsetStartBeyondTheLogStops":        offsetStartBeyondTheLog,
}

// Retention took what was not handled: go on with what is left.
func offsetBelowTheLog(t *testing.T, w *world) {
	topic, group := w.topic(t, 1), w.name("group")
	require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 0, 20)...))
	w.commit(w.ctx, t, group, topic, 0, 5)
	w.deleteBelow(w.ctx, t, topic, 0, 12)
	r := newRecorder()
	r.start = func(a bus.Assignment) int64 { return a.Committed }
	w.join(t, group, r, topic)
	require.Equal(t, sequence(12, 20), values(r.awaitTaken(t, 8)))
	require.Equal(t, bus.Assignment{Topic: topic, Committed: 5, First: 12, End: 20}, r.opened[0])
}

// The log ends below the commit: its tail was lost, or the topic made anew.
// Reading on would skip what is written from now until it has grown past the
// commit, so that partition stands still, and the others go on.
func offsetBeyondTheLog(t *testing.T, w *world) {
	topic, group := w.topic(t, 2), w.name("group")
	broken, healthy := w.twoKeys(t, topic)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, broken, 0, 3)...))
	at := w.everything(t, topic)[0].Partition
	w.commit(w.ctx, t, group, topic, at, 10)
	r := newRecorder()
	r.start = func(a bus.Assignment) int64 { return min(max(a.Committed, a.First), a.End) } // a careful handler hides it
	w.join(t, group, r, topic)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, healthy, 0, 5)...))
	r.awaitTaken(t, 5)
	w.awaitHalt(t, topic, at)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, broken, 3, 30)...))
	require.NoError(t, w.Publish(w.ctx, numbers(topic, healthy, 5, 10)...))
	for _, rec := range r.awaitTaken(t, 10) {
		require.NotEqual(t, at, rec.Partition)
	}
	still, err := w.committed(w.ctx, group, topic, at)
	require.NoError(t, err)
	require.EqualValues(t, 10, still)
}

func offsetStartBeyondTheLog(t *testing.T, w *world) {
	topic, group := w.topic(t, 2), w.name("group")
	broken, healthy := w.twoKeys(t, topic)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, broken, 0, 3)...))
	at := w.everything(t, topic)[0].Partition
	r := newRecorder()
	r.start = func(a bus.Assignment) int64 {
		if a.Partition == at {
			return 4
		}
		return a.First
	}
	w.join(t, group, r, topic)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, healthy, 0, 5)...))
	r.awaitTaken(t, 5)
	w.awaitHalt(t, topic, at)
	require.NoError(t, w.Publish(w.ctx, append(numbers(topic, broken, 3, 9), numbers(topic, healthy, 5, 10)...)...))
	got := r.awaitTaken(t, 10)
	require.False(t, slices.ContainsFunc(got, func(rec events.Record) bool { return rec.Partition == at }))
}
