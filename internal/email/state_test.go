package email_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"pgregory.net/rapid"

	"waybill/internal/email"
)

type state = email.State

// states returns every status, one that is none and the empty one, each with
// every code: none, unknown (number and text), and two specific ones.
func states() []state {
	names := []string{"", "no_such_status"}
	for _, s := range email.Statuses() {
		names = append(names, s.Name)
	}
	var all []state
	for _, n := range names {
		for _, c := range []string{"", "general", "5.0.0", "what", "5.1.1", "mailbox_full"} {
			all = append(all, state{Status: n, ErrorCode: c})
		}
	}
	return all
}

// TestProofRecipientJoin checks the three laws of a join for every pair and
// triple of reports of one recipient.
func TestProofRecipientJoin(t *testing.T) {
	t.Parallel()
	join, all := email.Join, states()
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
	t.Log(english.Sprintf("email: %d pairs, %d triples of a recipient's states: all equal", pairs, triples))
}

func TestAnyTextsJoin(t *testing.T) {
	t.Parallel()
	name := rapid.OneOf(rapid.SampledFrom([]string{"sent", "delivered", ""}), rapid.String())
	code := rapid.OneOf(rapid.SampledFrom([]string{"", "5.1.1", "general"}), rapid.StringMatching(`[245]\.[0-9]{1,4}\.[0-9]{1,4}`), rapid.String())
	report := rapid.Custom(func(t *rapid.T) state {
		return state{Status: name.Draw(t, "status"), ErrorCode: code.Draw(t, "code")}
	})
	join := email.Join
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
		{"delivered clears the code of a transient bounce", state{"bounced_transient", "4.4.7"}, state{"delivered", ""}, state{"delivered", ""}},
		{"a permanent bounce beats delivered and brings its code", state{"delivered", ""}, state{"bounced_permanent", "5.1.1"}, state{"bounced_permanent", "5.1.1"}},
		{"a transient bounce beats delayed", state{"delayed", "4.4.1"}, state{"bounced_transient", ""}, state{"bounced_transient", ""}},
		{"anything beats intended", state{"intended", ""}, state{"sent", ""}, state{"sent", ""}},
		{"rejected beats sent", state{"sent", ""}, state{"rejected", "bad_content"}, state{"rejected", "bad_content"}},
		{"a specific code beats an unknown one", state{"bounced_permanent", "5.0.0"}, state{"bounced_permanent", "no_email"}, state{"bounced_permanent", "no_email"}},
		{"an unknown code beats none", state{"bounced_permanent", ""}, state{"bounced_permanent", "general"}, state{"bounced_permanent", "general"}},
		{"of two specific codes the smaller text", state{"bounced_permanent", "no_email"}, state{"bounced_permanent", "5.1.1"}, state{"bounced_permanent", "5.1.1"}},
		{"a status beats a name that is none", state{"zzz", "5.1.1"}, state{"intended", ""}, state{"intended", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.won, email.Join(c.worse, c.better))
			require.Equal(t, c.won, email.Join(c.better, c.worse))
		})
	}
}

// Codes of e-mails are texts, also those that are numbers: rows are stored that
// were decided so.
func TestCodesThatAreNumbersAreTexts(t *testing.T) {
	t.Parallel()
	require.Equal(t, state{"delayed", "550"}, email.Join(state{"delayed", "99"}, state{"delayed", "550"}))
	require.Equal(t, state{"delayed", "5.0.0"}, email.Join(state{"delayed", "550"}, state{"delayed", "5.0.0"}))
}
