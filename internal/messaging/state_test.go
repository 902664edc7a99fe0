package messaging_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"pgregory.net/rapid"

	"waybill/internal/messaging"
)

type state = messaging.State

// states returns every status, one that is none and the empty one, each with
// every code: none, vague, unknown (number and text, two spellings of one
// number), and two specific ones.
func states() []state {
	codes := []string{"", "30008", "99999", "099999", "what", "30003", "21610"}
	names := []string{"", "no_such_status"}
	for _, s := range messaging.Statuses() {
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
	join, all := messaging.Join, states()
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
	t.Log(english.Sprintf("messaging: %d pairs, %d triples: all equal", pairs, triples))
}

func TestAnyTextsJoin(t *testing.T) {
	t.Parallel()
	digits := rapid.StringMatching(`0{0,2}[0-9]{1,22}`)
	name := rapid.OneOf(rapid.SampledFrom([]string{"sent", "delivered", ""}), rapid.String())
	code := rapid.OneOf(rapid.SampledFrom([]string{"", "30003", "30008"}), digits, rapid.String())
	report := rapid.Custom(func(t *rapid.T) state {
		return state{Status: name.Draw(t, "status"), ErrorCode: code.Draw(t, "code")}
	})
	join := messaging.Join
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
		{"delivered stays when sent comes late", state{"sent", ""}, state{"delivered", ""}, state{"delivered", ""}},
		{"read after delivered", state{"delivered", ""}, state{"read", ""}, state{"read", ""}},
		{"delivered clears the code of undelivered", state{"undelivered", "30003"}, state{"delivered", ""}, state{"delivered", ""}},
		{"delivered beats failed", state{"failed", "30008"}, state{"delivered", ""}, state{"delivered", ""}},
		{"undelivered beats failed and brings its code", state{"failed", "21610"}, state{"undelivered", ""}, state{"undelivered", ""}},
		{"failed beats canceled", state{"canceled", ""}, state{"failed", "30001"}, state{"failed", "30001"}},
		{"anything beats intended", state{"intended", ""}, state{"accepted", ""}, state{"accepted", ""}},
		{"of two specific codes the lower", state{"undelivered", "30005"}, state{"undelivered", "30003"}, state{"undelivered", "30003"}},
		{"lower is meant as a number", state{"failed", "30003"}, state{"failed", "21610"}, state{"failed", "21610"}},
		{"a specific code beats 30008", state{"undelivered", "30008"}, state{"undelivered", "30410"}, state{"undelivered", "30410"}},
		{"a specific code beats a lower unknown one", state{"failed", "11111"}, state{"failed", "63032"}, state{"failed", "63032"}},
		{"30008 beats none", state{"failed", ""}, state{"failed", "30008"}, state{"failed", "30008"}},
		{"of two unknown codes the lower number", state{"failed", "99999"}, state{"failed", "100"}, state{"failed", "100"}},
		{"a number beats a text", state{"failed", "abc"}, state{"failed", "99999"}, state{"failed", "99999"}},
		{"of two texts the smaller", state{"failed", "b"}, state{"failed", "a"}, state{"failed", "a"}},
		{"receiving, then received", state{"receiving", ""}, state{"received", ""}, state{"received", ""}},
		{"a status beats a name that is none", state{"zzz", "30003"}, state{"intended", ""}, state{"intended", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.won, messaging.Join(c.worse, c.better))
			require.Equal(t, c.won, messaging.Join(c.better, c.worse))
		})
	}
}
