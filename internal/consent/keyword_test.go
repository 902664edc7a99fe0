package consent_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/consent"
	"waybill/internal/events"
)

func TestKeyword(t *testing.T) {
	t.Parallel()
	const out, in, none = "out", "in", ""
	check := func(body, optOutType, want string) {
		t.Helper()
		optedOut, decided := consent.Keyword(body, optOutType)
		require.Equal(t, want != none, decided, "%q %q", body, optOutType)
		require.Equal(t, want == out, optedOut, "%q %q", body, optOutType)
	}
	for _, w := range []string{"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"} {
		check(w, "", out)
		check(" "+strings.ToLower(w)+"\r\n", "", out)
		check(w[:1]+strings.ToLower(w[1:]), "", out)
	}
	for _, w := range []string{"START", "YES", "UNSTOP"} {
		check(w, "", in)
		check("\t"+strings.ToLower(w), "", in)
	}
	for _, w := range []string{"", " ", "HELP", "INFO", "stop please", "please stop", "STOP.", "STOP!", "\"STOP\"", "ST OP", "STOPP", "NO", "STOP\x00", "ſtop"} {
		check(w, "", none)
	}
	// Advanced Opt-Out has words of its own, and its verdict wins.
	check("basta", "STOP", out)
	check("START", "STOP", out)
	check("adelante", "START", in)
	check("STOP", "START", in)
	check("STOP", "HELP", none)
	check("STOP", "SOMETHING", out)
	check("hello", "SOMETHING", none)
}

func TestAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		e                events.Message
		optedOut, decide bool
	}{
		{"a message", events.Message{Kind: events.KindMessage, Body: "stop"}, true, true},
		{"a consent event", events.Message{Kind: events.KindConsent, OptOutType: "START"}, false, true},
		{"a status", events.Message{Kind: events.KindMessageStatus, Body: "STOP"}, false, false},
		{"a send", events.Message{Kind: events.KindSend, Body: "STOP", OptOutType: "STOP"}, false, false},
		{"toll-free YES", events.Message{Kind: events.KindMessage, To: "+18885550100", Body: "yes"}, false, false},
		{"toll-free YES that the provider takes for START", events.Message{Kind: events.KindMessage, To: "+18885550100", Body: "yes", OptOutType: "START"}, false, true},
		{"toll-free START", events.Message{Kind: events.KindMessage, To: "+18885550100", Body: "start"}, false, true},
		{"toll-free STOP", events.Message{Kind: events.KindMessage, To: "+18005550100", Body: "Stop"}, true, true},
		{"another country's 800", events.Message{Kind: events.KindMessage, To: "+44800555010", Body: "yes"}, false, true},
		{"a long number", events.Message{Kind: events.KindMessage, To: "+12025550101", Body: "yes"}, false, true},
	} {
		optedOut, decided := consent.Asked(&c.e)
		require.Equal(t, c.decide, decided, c.name)
		require.Equal(t, c.optedOut, optedOut, c.name)
	}
}

// Whatever somebody writes: what is taken for a keyword is nothing but one of
// the keywords, so that no other text can travel in its place.
func FuzzWord(f *testing.F) {
	for _, s := range []string{"STOP", " stop\n", "STOP please", "ſtop", "ﬆop", "\x00", "unſubscribe", "İ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		word := consent.Word(body)
		if word == "" {
			_, decided := consent.Keyword(body, "")
			require.False(t, decided)
			return
		}
		require.True(t, strings.EqualFold(word, strings.TrimSpace(body)))
		require.Equal(t, word, consent.Word(word))
		require.NotContains(t, word, " ")
	})
}
