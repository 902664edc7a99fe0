package simulate

import (
	"sync/atomic"

	"waybill/internal/events"
)

// model is everything that was told.
type model struct {
	resources     []*resource
	subscriptions []*subscription
}

// count returns how many resources of a kind there are.
func (m *model) count(kind *rules) (n int) {
	for _, r := range m.resources {
		if r.rules == kind {
			n++
		}
	}
	return n
}

// told is one event that a provider or a sender tells of, however often.
type told struct {
	id       events.EventID
	accepted atomic.Int64 // times it was acknowledged, each under a receipt of its own
	unsure   atomic.Int64 // times it was not, and may have been taken all the same
	says
}

// says is what one event tells of its resource.
type says struct {
	state

	whom       []string // of an e-mail: the recipients that the status holds for; none = the e-mail
	facts      []fact
	agent      bool // of a contact: an agent is known to have connected
	recordings []recording
}

// state is a status with its error code.
type state struct{ status, code string }

// fact is what is told beside the status; without a value it is counted.
type fact struct{ name, value string }

// recording is what is told of a recording of a call.
type recording struct {
	id, status, location string
	seconds              int64
}

// must tells whether the event has to be on record, may whether it can be.
func (t *told) must() bool { return t.accepted.Load() > 0 }
func (t *told) may() bool  { return t.must() || t.unsure.Load() > 0 }

// repeats returns how many repeats of the event must and can be on record.
func (t *told) repeats() (least, most int64) {
	n := t.accepted.Load()
	return max(n-1, 0), max(n+t.unsure.Load()-1, 0)
}

// resource is one message, call or contact of the model, and all that was told
// about it.
type resource struct {
	tenant    *Tenant
	rules     *rules
	provider  events.Provider
	sid       string // the provider's id; "" if no provider ever took it
	id        string // the sender's own; "" if it has none
	campaign  string // "" if it belongs to none
	direction events.Direction
	events    []*told
	strangers []*told // well signed by another organisation: to be quarantined
}

// row returns the id of the resource's row, as DESIGN.md says.
func (r *resource) row() events.RowID {
	if r.id != "" {
		return events.RowID(r.id)
	}
	return events.DeriveRowID(r.tenant.Org, r.provider, r.sid)
}

// tell takes note of an event; one that was told already is the same.
func (r *resource) tell(id events.EventID, s says) *told {
	for _, t := range r.events {
		if t.id == id {
			return t
		}
	}
	t := &told{id: id, says: s}
	r.events = append(r.events, t)
	return t
}

// strange takes note of an event that somebody else signed.
func (r *resource) strange(id events.EventID, s says) *told {
	t := &told{id: id, says: s}
	r.strangers = append(r.strangers, t)
	return t
}

// subscription is one Stripe subscription of the model.
type subscription struct {
	id     string
	events []*told // in the order of their time, which decides
}
