package consent

import (
	"strings"

	"waybill/internal/events"
)

// What Twilio's OptOutType says of an inbound message, where Advanced Opt-Out
// is on.
const (
	Stop  = "STOP"
	Start = "START"
	Help  = "HELP"
)

// keywords are the words that Twilio takes for an opt-out (true) or an opt-in.
// HELP and INFO decide nothing and are not among them.
var keywords = map[string]bool{
	"STOP": true, "UNSUBSCRIBE": true, "END": true, "QUIT": true, "STOPALL": true, "REVOKE": true, "OPTOUT": true, "CANCEL": true,
	"START": false, yes: false, "UNSTOP": false,
}

// yes opts in everywhere but at a toll-free number, whose carriers hear START
// and UNSTOP alone.
const yes = "YES"

// longest is the length of the longest keyword, in bytes.
const longest = len("UNSUBSCRIBE")

// Word returns the keyword that a text consists of, in capitals; "" if it is
// none. As at Twilio only a message of that one word counts, whatever its case
// and the white space around it: "stop please" is no keyword, nor is "STOP."
func Word(body string) string {
	trimmed := strings.TrimSpace(body)
	if len(trimmed) > longest {
		return ""
	}
	// A letter beyond ASCII may have a capital within it: "ſtop" is no keyword.
	word := strings.ToUpper(trimmed)
	if _, ok := keywords[word]; !ok || len(word) != len(trimmed) {
		return ""
	}
	return word
}

// Keyword says what a text asks for; decided is false if it asks for neither.
// What the provider says of it wins over the text: the words of Advanced
// Opt-Out are the account's own, and HELP is no request whatever it is spelled.
func Keyword(body, optOutType string) (optedOut, decided bool) {
	switch optOutType {
	case Stop:
		return true, true
	case Start:
		return false, true
	case Help:
		return false, false
	}
	optedOut, decided = keywords[Word(body)]
	return optedOut, decided
}

// Asked says what a message that somebody wrote, or the consent event made of
// it, asks for. Other events ask for nothing.
func Asked(e *events.Message) (optedOut, decided bool) {
	if e.Kind != events.KindMessage && e.Kind != events.KindConsent {
		return false, false
	}
	if e.OptOutType == "" && tollFree(e.To) && Word(e.Body) == yes {
		return false, false
	}
	return Keyword(e.Body, e.OptOutType)
}

// tollFree tells whether an E.164 number is a North American toll-free one.
func tollFree(number string) bool {
	const length = len("+18005550100")
	if len(number) != length || !strings.HasPrefix(number, "+1") {
		return false
	}
	switch number[2:5] {
	case "800", "833", "844", "855", "866", "877", "888":
		return true
	}
	return false
}
