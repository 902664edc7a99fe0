package bustest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
)

var followTests = map[string]func(*testing.T, *world){
	"FollowEmptyTopicIsAtEnd":    followEmptyTopic,
	"FollowDeliversEverything":   followDeliversEverything,
	"FollowAtEndMeansEverywhere": followAtEndMeansEverywhere,
	"FollowGoesOnAfterRetention": followGoesOnAfterRetention,
	"ScanEndsWhereTheLogEnded":   scanEnds,
	"ScanReturnsTheError":        scanReturnsTheError,
	"ReadReturnsOneRecord":       readReturnsOne,
	"CompactionLeavesNoTrap":     compactionLeavesNoTrap,
}

type followed struct {
	records []events.Record
	atEnd   bool
}

// follow runs a follower until the test ends.
func (w *world) follow(t *testing.T, topic string) <-chan followed {
	t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	calls := make(chan followed)
	done := make(chan error, 1)
	go func() {
		done <- w.Follow(ctx, topic, func(records []events.Record, atEnd bool) {
			select {
			case calls <- followed{records, atEnd}:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return calls
}

func next(t *testing.T, calls <-chan followed) followed {
	t.Helper()
	select {
	case call := <-calls:
		return call
	case <-time.After(patience):
		require.FailNow(t, "the follower was not called")
		return followed{}
	}
}

// Silence means that the follower is cut off, so a follower with nothing to
// read is called all the same, several times within the 5 s that ingest allows.
func followEmptyTopic(t *testing.T, w *world) {
	calls := w.follow(t, w.topic(t, 2))
	first := next(t, calls)
	start := time.Now()
	for range 3 {
		call := next(t, calls)
		require.Empty(t, call.records)
		require.True(t, call.atEnd)
	}
	require.Empty(t, first.records)
	require.Less(t, time.Since(start), 3*time.Second)
}

func followDeliversEverything(t *testing.T, w *world) {
	topic := w.topic(t, 3, func(s *events.TopicSpec) { s.Compacted = true })
	publish := func(from, to int) {
		for i := range 30 {
			require.NoError(t, w.Publish(w.ctx, numbers(topic, fmt.Sprint(i), from, to)...))
		}
	}
	publish(0, 10)
	calls := w.follow(t, topic)
	var got []events.Record
	for {
		call := next(t, calls)
		got = append(got, call.records...)
		if call.atEnd {
			break
		}
	}
	require.Len(t, got, 300, "atEnd before everything was delivered")
	publish(10, 11)
	for len(got) < 330 {
		got = append(got, next(t, calls).records...)
	}
	require.Len(t, distinct(got), 330)
	byKey := map[string][]events.Record{}
	for _, rec := range got {
		byKey[string(rec.Key)] = append(byKey[string(rec.Key)], rec)
	}
	for key, records := range byKey {
		require.Equal(t, sequence(0, 11), values(records), key)
	}
}

// One partition takes many fetches to read, the others none: atEnd waits for it.
func followAtEndMeansEverywhere(t *testing.T, w *world) {
	topic := w.topic(t, 8)
	for range 24 {
		rec := events.Record{Topic: topic, Key: []byte("k"), Value: make([]byte, 500<<10)}
		require.NoError(t, w.Publish(w.ctx, rec))
	}
	calls := w.follow(t, topic)
	for got := 0; got < 24; {
		call := next(t, calls)
		got += len(call.records)
		require.Equal(t, got == 24, call.atEnd, "after %d of 24", got)
	}
}

func followGoesOnAfterRetention(t *testing.T, w *world) {
	topic := w.topic(t, 1)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 0, 10)...))
	w.deleteBelow(w.ctx, t, topic, 0, 6)
	calls := w.follow(t, topic)
	var got []events.Record
	for len(got) < 4 {
		got = append(got, next(t, calls).records...)
	}
	require.Equal(t, sequence(6, 10), values(got))
	w.deleteBelow(w.ctx, t, topic, 0, 10)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 10, 11)...))
	for len(got) < 5 {
		got = append(got, next(t, calls).records...)
	}
	require.Equal(t, sequence(6, 11), values(got))
}

// A scan ends where the log ended when it began, even while the log grows.
func scanEnds(t *testing.T, w *world) {
	topic := w.topic(t, 3)
	require.Empty(t, w.everything(t, topic))
	for i := range 30 {
		require.NoError(t, w.Publish(w.ctx, numbers(topic, fmt.Sprint(i), 0, 10)...))
	}
	seen, grown := 0, false
	require.NoError(t, w.Scan(w.ctx, topic, func(records []events.Record) error {
		seen += len(records)
		if !grown {
			grown = true
			for i := range 30 {
				if err := w.Publish(w.ctx, numbers(topic, fmt.Sprint(i), 10, 11)...); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	require.Equal(t, 300, seen)
	require.Len(t, w.everything(t, topic), 330)
}

func scanReturnsTheError(t *testing.T, w *world) {
	topic := w.topic(t, 1)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 0, 3)...))
	enough := errors.New("enough")
	require.ErrorIs(t, w.Scan(w.ctx, topic, func([]events.Record) error { return enough }), enough)
}

func readReturnsOne(t *testing.T, w *world) {
	topic := w.topic(t, 1)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, "k", 0, 20)...))
	w.deleteBelow(w.ctx, t, topic, 0, 5)
	for _, offset := range []int64{5, 12, 19} {
		rec, err := w.Read(w.ctx, events.Position{Topic: topic, Offset: offset})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(offset), string(rec.Value))
		require.Equal(t, events.Position{Topic: topic, Offset: offset}, rec.Position())
	}
	for _, offset := range []int64{0, 4, 20, 1000} {
		_, err := w.Read(w.ctx, events.Position{Topic: topic, Offset: offset})
		require.ErrorIs(t, err, bus.ErrNotFound, "offset %d", offset)
	}
}

// Compaction takes the last record of a batch that is the last of its segment.
// A broker asked for that offset answers with the batch, which holds nothing
// from there on, and with nothing else: a naive reader asks for ever.
func compactionLeavesNoTrap(t *testing.T, w *world) {
	const kib = 1 << 10
	topic := w.topic(t, 1, func(s *events.TopicSpec) { s.Compacted, s.SegmentBytes = true, 1<<20 })
	record := func(key string, size int) events.Record {
		return events.Record{Topic: topic, Key: []byte(key), Value: make([]byte, size*kib)}
	}
	for _, batch := range [][]events.Record{
		{record("a", 700), record("b", 190)}, // the first segment
		{record("b", 190), record("c", 600)}, // the second, which supersedes b
		{record("d", 700)},                   // the third, so that the second may be compacted
	} {
		require.NoError(t, w.Publish(w.ctx, batch...))
	}
	offsets := func(records []events.Record) (out []int64) {
		for _, rec := range records {
			out = append(out, rec.Offset)
		}
		return out
	}
	require.Equal(t, []int64{0, 1, 2, 3, 4}, offsets(w.everything(t, topic)))
	require.Eventually(t, func() bool {
		if w.h.Compact != nil {
			w.h.Compact()
		}
		_, err := w.Read(w.ctx, events.Position{Topic: topic, Offset: 1})
		return errors.Is(err, bus.ErrNotFound)
	}, patience, 200*time.Millisecond, "the broker did not compact")

	want := []int64{0, 2, 3, 4}
	require.Equal(t, want, offsets(w.everything(t, topic)))
	calls := w.follow(t, topic)
	var got []events.Record
	for len(got) < len(want) {
		got = append(got, next(t, calls).records...)
	}
	require.Equal(t, want, offsets(got))
	r := newRecorder()
	r.start = func(bus.Assignment) int64 { return 1 } // in the gap
	w.join(t, w.name("group"), r, topic)
	require.Equal(t, want[1:], offsets(r.awaitTaken(t, 3)))
}
