package voice_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/testkit"
	"waybill/internal/voice"
)

// The bits lie in the database: this list may only grow.
func TestBitsAreAPromise(t *testing.T) {
	t.Parallel()
	want := map[string]int{
		"intended": 0, "queued": 1, "initiated": 2, "ringing": 3, "in_progress": 4,
		"failed": 5, "canceled": 6, "busy": 7, "no_answer": 8, "completed": 9,
	}
	got := map[string]int{}
	for _, s := range voice.Statuses() {
		got[s.Name] = s.Bit
		require.Equal(t, s.Name, voice.BitName(s.Bit))
		require.Less(t, s.Bit, 63, "a bigint has 63 bits that are not its sign")
	}
	require.Empty(t, cmp.Diff(want, got))
	require.Empty(t, voice.BitName(62))
}

func TestStatusesStandInTheOrderOfTheirRanks(t *testing.T) {
	t.Parallel()
	order := []string{
		"intended", "queued", "initiated", "ringing", "in_progress", "failed", "canceled", "busy", "no_answer", "completed",
	}
	all := voice.Statuses()
	require.Len(t, all, len(order))
	for i, s := range all {
		require.Equal(t, order[i], s.Name)
		require.Equal(t, i, s.Rank)
		require.Equal(t, i > 4, s.Terminal, s.Name)
		require.Equal(t, s.Terminal, voice.Terminal(s.Name))
		found, ok := voice.Lookup(s.Name)
		require.True(t, ok)
		require.Equal(t, s, found)
	}
	all[0].Name = "changed"
	require.Equal(t, "intended", voice.Statuses()[0].Name, "the table is not the caller's")
	voice.RecordingStatuses()[0] = "changed"
	require.Equal(t, []string{"in_progress", "absent", "failed", "completed"}, voice.RecordingStatuses())
}

func TestNamesAreExact(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Completed", " ringing", "in-progress", "accepted", "absent"} {
		_, ok := voice.Lookup(name)
		require.False(t, ok, "%q", name)
		require.False(t, voice.Terminal(name), "%q", name)
	}
}

func TestErrorClass(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"": "", "403": "blocked", "404": "invalid_number", "408": "unreachable", "410": "invalid_number", "415": "content",
		"480": "unreachable", "482": "carrier", "483": "carrier", "484": "invalid_number", "485": "invalid_number",
		"486": "unreachable", "488": "content", "500": "carrier", "503": "carrier", "504": "carrier", "580": "carrier", "599": "carrier",
		"600": "unreachable", "603": "blocked", "604": "invalid_number", "606": "content", "607": "blocked", "608": "blocked",
		"13224": "invalid_number", "13225": "blocked", "13227": "blocked", "20429": "rate", "21211": "invalid_number",
		"21214": "unreachable", "21215": "blocked", "21217": "invalid_number", "32205": "blocked",
		"487": "unknown", "400": "unknown", "200": "unknown", "50": "unknown", "5000": "unknown", "0503": "unknown",
		"+50": "unknown", "-500": "unknown", "486 ": "unknown", "busy": "unknown",
	} {
		require.Equal(t, want, voice.ErrorClass(code), "%q", code)
	}
}

func TestDiagrams(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, "states.mmd", []byte(voice.Diagram()))
	testkit.Golden(t, "recordings.mmd", []byte(voice.RecordingDiagram()))
}
