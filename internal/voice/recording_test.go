package voice_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"pgregory.net/rapid"

	"waybill/internal/events"
	"waybill/internal/voice"
)

// recording returns what Twilio says of the call's recording: it names neither
// the addresses nor the direction.
func recording(after time.Duration, status string) *events.Call {
	return &events.Call{
		Kind: events.KindRecording, Provider: events.Twilio, Org: org, Row: row, ProviderID: "CA1", Account: "AC1",
		Recording:  &events.Recording{ProviderID: "RE1", Status: status},
		ReceivedAt: noon.Add(after),
	}
}

// A recording that was under way again after it had been completed could not be
// listened to.
func TestRegressionRecordingCompletedBeforeInProgress(t *testing.T) {
	t.Parallel()
	done, started := recording(0, "completed"), recording(time.Second, "in_progress")
	done.Recording.Duration, done.Recording.Location = 42, "https://api.example.com/RE1"
	started.Recording.Source, started.Recording.StartedAt = "DialVerb", &noon
	c, steps := fold(callback(0, "completed", ""), done, started)
	require.Empty(t, cmp.Diff(map[string]voice.Recording{"RE1": {
		ProviderID: "RE1", Status: "completed", Duration: 42, Source: "DialVerb", Location: "https://api.example.com/RE1",
		StartedAt: &noon, ReceivedAt: noon, LastAt: noon.Add(time.Second),
	}}, c.Recordings))
	require.Equal(t, state{"completed", ""}, c.State)
	for _, s := range steps[1:] {
		require.Equal(t, events.Step{Outcome: events.Applied, Changed: true, Version: 1, Status: "completed"}, s, "no transition of the call")
	}

	again := recording(time.Hour, "in_progress")
	_, s := voice.Fold(c, true, again)
	require.Equal(t, events.Step{Outcome: events.Stale, Changed: true, Version: 1, Status: "completed"}, s, "only its clock moves")
}

func TestARecordingMayMakeTheRow(t *testing.T) {
	t.Parallel()
	c, steps := fold(recording(0, "in_progress"))
	require.Equal(t, state{"queued", ""}, c.State, "it may have been recorded from the first ringing")
	require.Equal(t, events.Outbound, c.Direction, "unless somebody says otherwise")
	require.Equal(t, events.Step{Outcome: events.Applied, Transition: true, Changed: true, Version: 1, Status: "queued"}, steps[0])

	inbound := callback(0, "ringing", "")
	inbound.Kind, inbound.Direction = events.KindCallInbound, events.Inbound
	inEveryOrder([]*events.Call{recording(0, "in_progress"), inbound, callback(0, "initiated", "")}, func(c voice.Call) {
		require.Equal(t, state{"ringing", ""}, c.State)
		require.Equal(t, events.Inbound, c.Direction)
	})
}

// Connect records what only a machine answered.
func TestARecordingIsNoAnswer(t *testing.T) {
	t.Parallel()
	record := contact(0, "completed")
	record.Kind, record.Recording = events.KindContactRecord, &events.Recording{ProviderID: "bucket/key", Status: "completed"}
	c, _ := fold(record)
	require.Equal(t, "no_answer", c.Status)
	require.Len(t, c.Recordings, 1)
}

func TestRecordingsAreApart(t *testing.T) {
	t.Parallel()
	other := recording(time.Second, "absent")
	other.Recording.ProviderID, other.Recording.ErrorCode = "RE2", "16101"
	before, _ := fold(callback(0, "completed", ""), recording(0, "completed"))
	kept := before.Recordings["RE1"]
	after, _ := voice.Fold(before, true, other)
	require.Len(t, before.Recordings, 1, "the row that was given is not modified")
	require.Len(t, after.Recordings, 2)
	require.Equal(t, kept, after.Recordings["RE1"])
	require.Equal(t, "absent", after.Recordings["RE2"].Status)
	require.Equal(t, "16101", after.Recordings["RE2"].ErrorCode)
}

// told returns the record of a contact that names so many recordings, by a status each.
func told(after time.Duration, statuses ...string) *events.Call {
	e := contact(after, "completed")
	e.Kind = events.KindContactRecord
	for i, status := range statuses {
		r := events.Recording{ProviderID: "bucket/key-" + string(rune('a'+i)), Status: status, Duration: int64(i + 1)}
		if i == 0 {
			e.Recording = &r
			continue
		}
		e.MoreRecordings = append(e.MoreRecordings, r)
	}
	return e
}

// A contact record tells of all its recordings at once, and of them again
// whenever one of them changes: each has a row of its own, whatever the order.
func TestOneEventTellsOfSeveralRecordings(t *testing.T) {
	t.Parallel()
	const first, second, third = "bucket/key-a", "bucket/key-b", "bucket/key-c"
	early, late := told(0, "in_progress", "completed"), told(time.Minute, "completed", "in_progress", "absent")
	alone := recording(time.Second, "failed")
	alone.Recording.ProviderID = second
	inEveryOrder([]*events.Call{early, late, alone}, func(c voice.Call) {
		statuses := map[string]string{}
		for id, r := range c.Recordings {
			require.Equal(t, id, r.ProviderID)
			statuses[id] = r.Status
		}
		require.Equal(t, map[string]string{first: "completed", second: "completed", third: "absent"}, statuses)
		require.Equal(t, []time.Time{noon, noon.Add(time.Minute)}, []time.Time{c.Recordings[first].ReceivedAt, c.Recordings[first].LastAt})
		require.Equal(t, noon.Add(time.Minute), c.Recordings[third].ReceivedAt, "only the late one tells of it")
		require.EqualValues(t, 2, c.Recordings[second].Duration)
	})

	row, _ := fold(early)
	again, s := voice.Fold(row, true, told(0, "in_progress", "completed"))
	require.Equal(t, events.Stale, s.Outcome, "nothing of it is news")
	require.Equal(t, row, again)
	_, s = voice.Fold(row, true, told(0, "in_progress", "completed", "completed"))
	require.Equal(t, events.Applied, s.Outcome, "the last of them is")
	require.False(t, s.Transition)

	for _, bad := range []*events.Call{told(0, "completed", "lost"), told(0, "lost", "completed")} {
		after, s := voice.Fold(row, true, bad)
		require.Equal(t, events.Dead, s.Outcome, "one that nobody knows")
		require.Equal(t, row, after)
	}
	bad := told(0, "completed", "completed")
	bad.MoreRecordings[0].ProviderID = ""
	_, s = voice.Fold(row, true, bad)
	require.Equal(t, events.Dead, s.Outcome, "one without a name")
}

// A list without a first one is a list all the same.
func TestMoreRecordingsStandAlone(t *testing.T) {
	t.Parallel()
	e := told(0, "completed", "completed")
	e.Recording = nil
	c, _ := fold(e)
	require.Len(t, c.Recordings, 1)
	require.Equal(t, "bucket/key-b", c.Recordings["bucket/key-b"].ProviderID)
}

// TestProofRecordingJoin checks the three laws of a join for every pair and
// triple of recordings: every status with every kind of code, and rows that
// differ in all that describes them.
func TestProofRecordingJoin(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Second)
	all := []voice.Recording{
		{},
		{
			ProviderID: "RE1", Duration: 1, Channels: 2, Source: "a", Track: "b", Location: "a",
			StartedAt: &noon, ReceivedAt: noon, LastAt: later,
		},
		{
			ProviderID: "RE2", Duration: 2, Channels: 1, Source: "b", Track: "a", Location: "b",
			StartedAt: &later, ReceivedAt: later, LastAt: later,
		},
		{ProviderID: "RE1", ReceivedAt: later, LastAt: later.Add(time.Second)},
	}
	for _, status := range append(voice.RecordingStatuses(), "", "no_such_status") {
		for _, code := range []string{"", "16101", "099999", "99999", "what", "486"} {
			all = append(all, voice.Recording{ProviderID: "RE1", Status: status, ErrorCode: code, ReceivedAt: noon, LastAt: noon})
		}
	}
	join, pairs, triples := voice.JoinRecording, 0, 0
	for _, a := range all {
		require.True(t, sameRecording(a, join(a, a)), "idempotent")
		require.True(t, sameRecording(a, join(a, voice.Recording{})), "the zero row knows nothing")
		for _, b := range all {
			ab := join(a, b)
			if !sameRecording(ab, join(b, a)) {
				t.Fatalf("not commutative: %+v, %+v", a, b)
			}
			pairs++
			for _, c := range all {
				if !sameRecording(join(ab, c), join(a, join(b, c))) {
					t.Fatalf("not associative: %+v, %+v, %+v", a, b, c)
				}
				triples++
			}
		}
	}
	t.Log(message.NewPrinter(language.English).Sprintf("voice: %d pairs, %d triples of recordings: all equal", pairs, triples))
}

// sameRecording is cmp.Equal, fast enough for a proof.
func sameRecording(a, b voice.Recording) bool {
	same := (a.StartedAt == nil) == (b.StartedAt == nil) && (a.StartedAt == nil || a.StartedAt.Equal(*b.StartedAt))
	a.StartedAt, b.StartedAt = nil, nil
	return same && a == b
}

func TestAnyRecordingsJoin(t *testing.T) {
	t.Parallel()
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "ms")) * time.Millisecond)
	})
	anyRow := rapid.Custom(func(t *rapid.T) voice.Recording {
		text := func(name string) string { return rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, name) }
		r := voice.Recording{
			ProviderID: text("id"), Status: rapid.SampledFrom(append(voice.RecordingStatuses(), "", "x")).Draw(t, "status"),
			ErrorCode: rapid.SampledFrom([]string{"", "16101", "486", "x"}).Draw(t, "code"),
			Duration:  rapid.Int64Range(0, 2).Draw(t, "duration"), Channels: rapid.IntRange(0, 2).Draw(t, "channels"),
			Source: text("source"), Track: text("track"), Location: text("location"),
			StartedAt: rapid.Ptr(at, true).Draw(t, "started"), ReceivedAt: at.Draw(t, "received"),
		}
		r.LastAt = r.ReceivedAt.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "last")) * time.Millisecond)
		return r
	})
	join := voice.JoinRecording
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyRow.Draw(t, "a"), anyRow.Draw(t, "b"), anyRow.Draw(t, "c")
		require.Equal(t, a, join(a, a))
		require.Equal(t, a, join(voice.Recording{}, a))
		require.Equal(t, join(a, b), join(b, a))
		require.Equal(t, join(join(a, b), c), join(a, join(b, c)))
	})
}
