package ses

import (
	"strings"

	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/facts"
)

// Bounds of what goes on to the domain topics and the database.
const (
	maxAddress    = 320 // bytes
	maxRecipients = 256 // SES sends to 50 at most
)

// named returns recipients of whom nothing but the address is told.
func named(addresses []string) []recipient {
	rs := make([]recipient, len(addresses))
	for i, a := range addresses {
		rs[i].Address = a
	}
	return rs
}

// recipients returns whom an event is about, each once, or what is wrong. One
// that names nobody is about the recipient of its e-mail, if that has just one:
// of several nobody can tell which. Opens, clicks and the like may do without.
func (b *body) recipients(t *told) (rs []events.Recipient, problem string) {
	whom := t.whom
	switch {
	case t.whole:
		return nil, ""
	case len(whom) == 0 && len(b.Mail.Destination) == 1:
		whom = named(b.Mail.Destination)
	case len(whom) > maxRecipients:
		return nil, invalidNumber
	}
	seen := make(map[string]bool, len(whom))
	for i := range whom {
		a := address(whom[i].Address)
		if len(a) > maxAddress {
			return nil, invalidAddress
		}
		if key := email.Address(a); a != "" && !seen[key] {
			seen[key] = true
			rs = append(rs, events.Recipient{Address: a, ErrorCode: whom[i].code(t.code)})
		}
	}
	if len(rs) == 0 && (t.status != "" || t.fact.Name == facts.Complaints) {
		return nil, invalidRecipients
	}
	return rs, ""
}

// address returns an address without the name beside it, storable: "jane@x" of
// "Jane Doe <jane@x>".
func address(s string) string {
	s = strings.TrimSpace(s)
	if inner, ok := strings.CutSuffix(s, ">"); ok {
		s = inner[strings.LastIndexByte(inner, '<')+1:]
	}
	return events.Text(strings.TrimSpace(s))
}
