package bustest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
)

var adminTests = map[string]func(*testing.T, *world){
	"AdminEnsureTopicsTwice": adminEnsureTwice,
	"AdminCheckTopics":       adminCheckTopics,
	"AdminOffsets":           adminOffsets,
}

func (w *world) specs() []events.TopicSpec {
	return []events.TopicSpec{
		{Name: w.name("timed"), Partitions: 3, Retention: 7 * 24 * time.Hour, SegmentAge: 24 * time.Hour, RetentionBytes: 64 << 20, SegmentBytes: 16 << 20, MaxMessage: 4 << 20},
		{Name: w.name("unlimited"), Partitions: 2, Retention: 24 * time.Hour, MaxMessage: 4 << 20},
		{Name: w.name("compacted"), Partitions: 1, Compacted: true, MaxMessage: 4 << 20},
	}
}

func adminEnsureTwice(t *testing.T, w *world) {
	specs := w.specs()
	require.NoError(t, w.EnsureTopics(w.ctx, specs[:1]))
	require.NoError(t, w.EnsureTopics(w.ctx, specs))
	require.NoError(t, w.EnsureTopics(w.ctx, specs))
	require.NoError(t, w.Publish(w.ctx, numbers(specs[2].Name, "k", 0, 1)...), "a topic just made can be written to")

	changed := w.specs()
	changed[0].Partitions = 12
	require.NoError(t, w.EnsureTopics(w.ctx, changed))
	problems, err := w.CheckTopics(w.ctx, specs)
	require.NoError(t, err)
	require.Empty(t, problems, "a topic that exists is left alone")
}

func adminCheckTopics(t *testing.T, w *world) {
	specs := w.specs()
	require.NoError(t, w.EnsureTopics(w.ctx, specs))
	want := w.specs()
	want[0].Partitions, want[0].Retention, want[0].SegmentAge = 6, 14*24*time.Hour, time.Hour
	want = append(want, w.specs()[1])
	want[3].Retention = time.Hour
	want[1].Compacted, want[1].MaxMessage = true, 8<<20
	want[2].Compacted, want[2].Retention = false, time.Hour
	want = append(want, events.TopicSpec{Name: w.name("absent"), Partitions: 1, Retention: time.Hour})
	problems, err := w.CheckTopics(w.ctx, want)
	require.NoError(t, err)
	type found struct {
		topic, what string
		fatal       bool
	}
	var got []found
	for _, p := range problems {
		require.NotEqual(t, p.Want, p.Have)
		got = append(got, found{p.Topic, p.What, p.Fatal})
	}
	for _, f := range []found{
		{want[0].Name, "partitions", true},
		{want[0].Name, "retention", false},
		{want[0].Name, "segment_age", false},
		{want[3].Name, "retention", false},
		{want[1].Name, "compaction", true},
		{want[1].Name, "max_message", true},
		{want[2].Name, "compaction", true},
		{want[4].Name, "missing", true},
	} {
		require.Contains(t, got, f)
	}
}

func adminOffsets(t *testing.T, w *world) {
	topic, group := w.topic(t, 2), w.name("group")
	key, _ := w.twoKeys(t, topic)
	require.NoError(t, w.Publish(w.ctx, numbers(topic, key, 0, 9)...))
	at := w.everything(t, topic)[0].Partition
	w.deleteBelow(w.ctx, t, topic, at, 2)
	want := []bus.Assignment{{Topic: topic, Committed: -1}, {Topic: topic, Partition: 1, Committed: -1}}
	want[at].First, want[at].End = 2, 9
	got, err := w.Offsets(w.ctx, "", topic)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = w.Offsets(w.ctx, group, topic)
	require.NoError(t, err)
	require.Equal(t, want, got, "a group that never was has no commits")

	w.commit(w.ctx, t, group, topic, at, 4)
	want[at].Committed = 4
	got, err = w.Offsets(w.ctx, group, topic)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
