package tenantmap

import (
	"regexp"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// whatsApp is the prefix that Twilio puts before a WhatsApp address.
const whatsApp = "whatsapp:"

// NormaliseSender returns the one spelling under which a sender is kept: E.164
// for what parses as an international number (with its channel prefix), in
// countries with two spellings of a number one of them, whichever was given;
// anything else (short codes, alphanumeric senders, messaging services, SIP
// addresses) as it is, without surrounding blanks. It is a key, not what is
// dialled.
func NormaliseSender(s string) string {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, whatsApp); ok {
		return whatsApp + NormaliseSender(rest)
	}
	digits, international := strings.CutPrefix(s, "+")
	if !international {
		return s
	}
	// Parsing again what is E.164 already could strip its leading zeros.
	if !isDigits(digits) || domestic.MatchString(digits) {
		n, err := phonenumbers.Parse(s, "")
		if err != nil {
			return s
		}
		s = phonenumbers.Format(n, phonenumbers.E164)
	}
	one, _ := both(s)
	return one
}

// NormaliseIdentity returns the one spelling under which an address or domain
// that sends e-mail is kept: in lower case, since domains have no case and the
// providers compare addresses without it.
func NormaliseIdentity(s string) string { return strings.ToLower(NormaliseSender(s)) }

// domestic is what is dialled inside a country, behind its code: a mobile of
// Argentina has 15 between area and number there, and which digits are the area
// the library knows.
var domestic = regexp.MustCompile(`^54[1-3][0-9]{11}$`)

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
