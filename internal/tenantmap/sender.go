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
	if !strings.HasPrefix(s, "+") {
		return s
	}
	n, err := phonenumbers.Parse(s, "")
	if err != nil {
		return s
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}
