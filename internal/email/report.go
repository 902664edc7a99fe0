package email

import (
	"maps"
	"strings"

	"waybill/internal/events"
)

// report is what one event says about the state of its e-mail: a status of the
// e-mail as a whole, or of some recipients, by address.
type report struct {
	bit   uint64
	own   State
	named map[string]State
}

// reportOf reads an event; false if it says nothing that we understand.
//
// An event that tells facts alone proves that the e-mail was sent. It says so
// whether or not it is the first of its row: else a row whose first event was an
// open would differ from one whose second was.
func reportOf(e *events.Message) (report, bool) {
	name, whole := e.Status, false
	if alias, ok := aliases[name]; ok && e.Kind == events.KindSend {
		name = alias
	}
	if name == "" && len(e.Facts) > 0 {
		name, whole = sent, true
	}
	status, ok := Lookup(name)
	if !ok {
		return report{}, false
	}
	r := report{bit: 1 << status.Bit}
	if !whole && !status.Whole {
		r.named = named(e, status.Name)
	}
	if len(r.named) == 0 {
		r.own = State{Status: status.Name, ErrorCode: e.ErrorCode}
	}
	return r, true
}

// named returns what the event says of each recipient that it names.
func named(e *events.Message, status string) map[string]State {
	out := make(map[string]State, len(e.Recipients)+1)
	name := func(address, code string) {
		if address = Address(address); address != "" {
			out[address] = Join(out[address], State{Status: status, ErrorCode: code})
		}
	}
	for _, r := range e.Recipients {
		code := r.ErrorCode
		if code == "" {
			code = e.ErrorCode
		}
		name(r.Address, code)
	}
	if e.Kind == events.KindSend {
		name(e.To, e.ErrorCode)
	}
	return out
}

// Address returns the one spelling under which a recipient is known: without
// surrounding blanks, in lower case. Mail systems may tell upper and lower case
// apart before the @, and none does.
func Address(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// hear merges r into m. It reports whether what is known of the e-mail as a whole
// or a bit moved, and whether a recipient or the e-mail's state did.
func (m *Message) hear(r report) (noted, moved bool) {
	before := *m
	m.Own = Join(m.Own, r.own)
	m.Reached |= r.bit
	for address, state := range r.named {
		known := m.Recipients[address]
		better := Recipient{ID: known.ID, State: Join(known.State, state)}
		if better == known {
			continue
		}
		if !moved {
			m.Recipients, moved = clone(m.Recipients), true
		}
		m.Recipients[address] = better
	}
	m.State = derive(m.Own, m.Recipients)
	return m.Own != before.Own || m.Reached != before.Reached, moved || m.State != before.State
}

func clone(recipients map[string]Recipient) map[string]Recipient {
	if recipients == nil {
		return map[string]Recipient{}
	}
	return maps.Clone(recipients)
}
