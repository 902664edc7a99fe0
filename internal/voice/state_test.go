package voice_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"pgregory.net/rapid"

	"waybill/internal/voice"
)

type state = voice.State

// states returns every status, one that is none and the empty one, each with
// every code: none, vague, unknown (number and text, two spellings of one
// number), and three specific ones.
func states() []state {
	codes := []string{"", "487", "99999", "099999", "what", "486", "404", "21211"}
	names := []string{"", "no_such_status"}
	for _, s := range voice.Statuses() {
		names = append(names, s.Name)
	}
	var all []state
	for _, n := range names {
		for _, c := range codes {
			all = append(all, state{Status: n, ErrorCode: c})
		}
	}
	return all
}

// TestProofStateJoin checks the three laws of a join for every pair and triple.
func TestProofStateJoin(t *testing.T) {
	t.Parallel()
	join, all := voice.Join, states()
	pairs, triples := 0, 0
	for _, a := range all {
		require.Equal(t, a, join(a, a), "idempotent")
		for _, b := range all {
			ab := join(a, b)
			if ab != join(b, a) {
				t.Fatalf("not commutative: %v, %v", a, b)
			}
			if ab != a && ab != b {
				t.Fatalf("neither of the two: %v, %v gave %v", a, b, ab)
			}
			pairs++
			for _, c := range all {
				if join(ab, c) != join(a, join(b, c)) {
					t.Fatalf("not associative: %v, %v, %v", a, b, c)
				}
				triples++
			}
		}
	}
	english := message.NewPrinter(language.English)
	t.Log(english.Sprintf("voice: %d pairs, %d triples of call states: all equal", pairs, triples))
}

func TestAnyTextsJoin(t *testing.T) {
	t.Parallel()
	digits := rapid.StringMatching(`0{0,2}[0-9]{1,22}`)
	name := rapid.OneOf(rapid.SampledFrom([]string{"ringing", "completed", ""}), rapid.String())
	code := rapid.OneOf(rapid.SampledFrom([]string{"", "486", "487", "503"}), digits, rapid.String())
	report := rapid.Custom(func(t *rapid.T) state {
		return state{Status: name.Draw(t, "status"), ErrorCode: code.Draw(t, "code")}
	})
	join := voice.Join
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := report.Draw(t, "a"), report.Draw(t, "b"), report.Draw(t, "c")
		require.Equal(t, a, join(a, a))
		require.Equal(t, a, join(a, state{}))
		require.Equal(t, join(a, b), join(b, a))
		require.Equal(t, join(join(a, b), c), join(a, join(b, c)))
	})
}

func TestTheBetterReportWins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		worse, better, won state
	}{
		{"completed stays when ringing comes late", state{"ringing", ""}, state{"completed", ""}, state{"completed", ""}},
		{"an answer is more than ringing", state{"ringing", ""}, state{"in_progress", ""}, state{"in_progress", ""}},
		{"a call that failed is over", state{"in_progress", ""}, state{"failed", "503"}, state{"failed", "503"}},
		{"canceled beats failed", state{"failed", "500"}, state{"canceled", "487"}, state{"canceled", "487"}},
		{"busy beats canceled", state{"canceled", ""}, state{"busy", "486"}, state{"busy", "486"}},
		{"no_answer beats busy", state{"busy", "486"}, state{"no_answer", ""}, state{"no_answer", ""}},
		{"completed beats no_answer and clears its code", state{"no_answer", "480"}, state{"completed", ""}, state{"completed", ""}},
		{"anything beats intended", state{"intended", ""}, state{"queued", ""}, state{"queued", ""}},
		{"initiated beats queued", state{"queued", ""}, state{"initiated", ""}, state{"initiated", ""}},
		{"a specific code beats 487", state{"failed", "487"}, state{"failed", "503"}, state{"failed", "503"}},
		{"487 beats none", state{"canceled", ""}, state{"canceled", "487"}, state{"canceled", "487"}},
		{"of two specific codes the lower, as a number", state{"failed", "21211"}, state{"failed", "404"}, state{"failed", "404"}},
		{"a number beats a text", state{"failed", "abc"}, state{"failed", "99999"}, state{"failed", "99999"}},
		{"a status beats a name that is none", state{"zzz", "486"}, state{"intended", ""}, state{"intended", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.won, voice.Join(c.worse, c.better))
			require.Equal(t, c.won, voice.Join(c.better, c.worse))
		})
	}
}
