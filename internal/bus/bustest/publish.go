package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"waybill/internal/bus"
	"waybill/internal/events"
)

var publishTests = map[string]func(*testing.T, *world){
	"PublishKeepsEveryByte":           publishKeepsEveryByte,
	"PublishKeepsOrderOfAKey":         publishKeepsOrder,
	"PublishPutsKeysWhereJavaDoes":    publishPutsKeysWhereJavaDoes,
	"PublishBigRecordFailsAlone":      publishBigRecordFailsAlone,
	"PublishBigRecordAmongCallers":    publishBigRecordAmongCallers,
	"PublishStampsItsOwnTime":         publishStampsItsOwnTime,
	"PublishRefusesARecordWithoutKey": publishRefusesNoKey,
	"PublishAnswersWhenContextEnds":   publishAnswersWhenContextEnds,
	"PublishToNoTopicFails":           publishToNoTopicFails,
}

func publishKeepsEveryByte(t *testing.T, w *world) {
	topic := w.topic(t, 1)
	body := make([]byte, 256)
	for i := range body {
		body[i] = byte(i)
	}
	want := []events.Record{
		{Topic: topic, Key: []byte("k"), Value: body, Headers: []events.Header{
			{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}, {Key: "bytes", Value: []byte{0, 255}},
		}},
		{Topic: topic, Key: []byte{0}, Value: []byte{}},
		{Topic: topic, Key: []byte("k"), Value: nil}, // a tombstone, which is not an empty value
	}
	require.NoError(t, w.Publish(w.ctx, want...))
	got := w.everything(t, topic)
	require.Len(t, got, len(want))
	for i := range got {
		require.EqualValues(t, i, got[i].Offset)
		got[i].Offset, got[i].Time = 0, time.Time{}
	}
	require.Empty(t, cmp.Diff(want, got))
}

// Several callers publish, each some keys, one call after the other and in
// batches; within a key the numbers must come out as they went in.
func publishKeepsOrder(t *testing.T, w *world) {
	const callers, calls, batch = 8, 40, 5
	topic := w.topic(t, 3)
	var group errgroup.Group
	for c := range callers {
		group.Go(func() error {
			key := fmt.Sprintf("caller-%d", c)
			for n := range calls {
				if err := w.Publish(w.ctx, numbers(topic, key, n*batch, (n+1)*batch)...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	byKey := map[string][]events.Record{}
	for _, rec := range w.everything(t, topic) {
		byKey[string(rec.Key)] = append(byKey[string(rec.Key)], rec)
	}
	require.Len(t, byKey, callers)
	for key, records := range byKey {
		require.Equal(t, sequence(0, calls*batch), values(records), key)
	}
}

func publishPutsKeysWhereJavaDoes(t *testing.T, w *world) {
	topic := w.topic(t, 24)
	var records []events.Record
	for i := range 60 {
		records = append(records, events.Record{Topic: topic, Key: fmt.Appendf(nil, "org-%d/%d", i*7919, i%4)})
	}
	records = append(records, events.Record{Topic: topic, Key: []byte("Zürich")}, events.Record{Topic: topic, Key: []byte{0xff, 0xfe, 0xfd}})
	require.NoError(t, w.Publish(w.ctx, records...))
	for _, rec := range w.everything(t, topic) {
		require.Equal(t, w.partitionOf(w.ctx, t, topic, rec.Key), rec.Partition, "key %q", rec.Key)
	}
}

func small(s *events.TopicSpec) { s.MaxMessage = 100_000 }

func publishBigRecordFailsAlone(t *testing.T, w *world) {
	topic := w.topic(t, 1, small)
	records := numbers(topic, "k", 0, 21)
	records[7].Value = bytes.Repeat([]byte("x"), 200_000)
	err := w.Publish(w.ctx, records...)
	var partial *bus.PublishError
	require.ErrorAs(t, err, &partial)
	require.Len(t, partial.Errs, 21)
	for i, err := range partial.Errs {
		require.Equal(t, i == 7, err != nil, "record %d: %v", i, err)
	}
	want := append(sequence(0, 7), sequence(8, 21)...)
	require.Equal(t, want, values(w.everything(t, topic)))
}

func publishBigRecordAmongCallers(t *testing.T, w *world) {
	topic := w.topic(t, 1, small)
	big := events.Record{Topic: topic, Key: []byte("k"), Value: bytes.Repeat([]byte("x"), 200_000)}
	var group errgroup.Group
	for c := range 30 {
		group.Go(func() error {
			if c%10 == 0 {
				if w.Publish(w.ctx, big) == nil {
					return errors.New("a record larger than the topic takes was acknowledged")
				}
				return nil
			}
			return w.Publish(w.ctx, numbers(topic, fmt.Sprint(c), 0, 1)...)
		})
	}
	require.NoError(t, group.Wait())
	require.Len(t, w.everything(t, topic), 27)
}

// A provider's clock is data: a record that claims another time is written
// with ours. (Kafka itself refuses a whole batch for one time in the future.)
func publishStampsItsOwnTime(t *testing.T, w *world) {
	topic := w.topic(t, 1)
	records := numbers(topic, "k", 0, 3)
	records[0].Time = time.Now().Add(48 * time.Hour)
	records[2].Time = time.Unix(1, 0)
	before := time.Now().Truncate(time.Millisecond)
	require.NoError(t, w.Publish(w.ctx, records...))
	after := time.Now()
	for _, rec := range w.everything(t, topic) {
		require.WithinRange(t, rec.Time, before, after)
	}
}

func publishRefusesNoKey(t *testing.T, w *world) {
	topic := w.topic(t, 3)
	records := numbers(topic, "k", 0, 3)
	records[1].Key = nil
	var partial *bus.PublishError
	require.ErrorAs(t, w.Publish(w.ctx, records...), &partial)
	require.NoError(t, partial.Errs[0])
	require.Error(t, partial.Errs[1])
	require.NoError(t, partial.Errs[2])
	require.Equal(t, []string{"0", "2"}, values(w.everything(t, topic)))
}

func publishAnswersWhenContextEnds(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(w.ctx)
	answer := make(chan error, 1)
	go func() { answer <- w.Publish(ctx, numbers(w.name("absent"), "k", 0, 1)...) }()
	cancel()
	select {
	case err := <-answer:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(2 * time.Second):
		require.FailNow(t, "Publish did not answer although its context had ended")
	}
}

func publishToNoTopicFails(t *testing.T, w *world) {
	require.Error(t, w.Publish(w.ctx, numbers(w.name("absent"), "k", 0, 1)...))
	require.NoError(t, w.ctx.Err(), "the failure took too long")
}
