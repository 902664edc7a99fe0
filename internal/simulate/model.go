package simulate

import (
	"slices"
	"sync/atomic"

	"waybill/internal/events"
)

// told is one event that a provider or a sender tells of, however often.
type told struct {
	id       events.EventID
	status   string
	code     string
	accepted atomic.Int64 // times it was acknowledged, each under a receipt of its own
	unsure   atomic.Int64 // times it was not, and may have been taken all the same
}

// must tells whether the event has to be on record, may whether it can be.
func (t *told) must() bool { return t.accepted.Load() > 0 }
func (t *told) may() bool  { return t.must() || t.unsure.Load() > 0 }

// repeats returns how many repeats of the event must and can be on record.
func (t *told) repeats() (least, most int64) {
	n := t.accepted.Load()
	return max(n-1, 0), max(n+t.unsure.Load()-1, 0)
}

// message is one message of the model and all that was told about it.
type message struct {
	tenant    *Tenant
	sid       string // "" if no provider ever took it
	id        string // the sender's own; "" if it has none
	campaign  string // "" if it belongs to none
	direction events.Direction
	events    []*told
	strangers []*told // well signed by another organisation: to be quarantined
}

// row returns the id of the message's row, as DESIGN.md says.
func (m *message) row() events.RowID {
	if m.id != "" {
		return events.RowID(m.id)
	}
	return events.DeriveRowID(m.tenant.Org, events.Twilio, m.sid)
}

// order lists the statuses from the worst to the best: the simulator's own
// account of what DESIGN.md promises, which it does not share with Waybill.
var order = []string{
	"intended", "accepted", "scheduled", "queued", "sending", "sent", "partially_delivered",
	"canceled", "failed", "undelivered", "delivered", "read",
	"receiving", "received",
}

// unspecific is the code by which Twilio says that it does not know why.
const unspecific = "30008"

// settle returns what a message's row must say after some of its events, in
// whatever order they came: the best status, and with it the lowest code, a
// specific one before one that says nothing.
func settle(applied []*told) (status, code string) {
	best := -1
	for _, t := range applied {
		switch rank := slices.Index(order, t.status); {
		case rank > best:
			best, code = rank, t.code
		case rank == best && preferred(t.code, code):
			code = t.code
		}
	}
	return order[best], code
}

func preferred(code, than string) bool {
	if code == "" || than == "" {
		return code != ""
	}
	if (code == unspecific) != (than == unspecific) {
		return than == unspecific
	}
	return code < than // all that the simulator plays have five digits
}

// subscription is one Stripe subscription of the model.
type subscription struct {
	id     string
	events []*told // in the order of their time, which decides
}
