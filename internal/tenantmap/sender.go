package tenantmap

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// whatsApp is the prefix that Twilio puts before a WhatsApp address.
const whatsApp = "whatsapp:"

// NormaliseSender returns the one spelling under which a sender is kept: E.164
// for what parses as an international number (with its channel prefix),
// anything else (short codes, alphanumeric senders, messaging services, SIP
// addresses) as it is, without surrounding blanks.
func NormaliseSender(s string) string {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, whatsApp); ok {
		return whatsApp + NormaliseSender(rest)
	}
	digits, international := strings.CutPrefix(s, "+")
	if !international || isDigits(digits) {
		return s // parsing again what is E.164 already could strip its leading zeros
	}
	n, err := phonenumbers.Parse(s, "")
	if err != nil {
		return s
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
