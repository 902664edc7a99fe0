package voice

import (
	"cmp"

	"waybill/internal/events"
)

// State is what is reported of a call and may change: its status and the error
// code that came with it, as given ("" = none).
type State struct {
	Status    string
	ErrorCode string
}

// Join returns the better of two reports of one call, whichever came first: the
// status of the higher rank with its own code (so that a better status clears
// the code of a worse one), and of two codes of one status the more telling one.
//
// It is the maximum of a total order and so commutative, associative and
// idempotent for any texts. Names that are no statuses stand below those that
// are, and the zero State below everything.
func Join(a, b State) State { return better(a, b, rankOf) }

func better(a, b State, rank func(status string) int) State {
	if a.compare(b, rank) < 0 {
		return b
	}
	return a
}

func (a State) compare(b State, rank func(status string) int) int {
	if a.Status != b.Status {
		return cmp.Or(
			cmp.Compare(rank(a.Status), rank(b.Status)),
			cmp.Compare(a.Status, b.Status), // both unknown
		)
	}
	return compareCodes(a.ErrorCode, b.ErrorCode)
}

// AgentConnected is the fact of a contact that an agent answered it. A contact
// record tells it, if it names the time.
const AgentConnected = "agent_connected"

// Reached returns a bit for every status that the call has had, which is what a
// campaign counts: those reported, and for Amazon Connect with one rule more. A
// contact ends whether or not anybody answered, so completed counts as no_answer
// unless an agent is known to have connected. An agent's connecting is
// in_progress, by whichever way it is told.
//
// The highest of these statuses is the call's.
func Reached(c *Call) uint64 {
	bits := c.Reported
	if c.Provider != events.Connect {
		return bits
	}
	if c.Facts[AgentConnected].Count > 0 {
		bits |= bitOf(inProgress)
	}
	if bits&bitOf(completed) != 0 && bits&bitOf(inProgress) == 0 {
		bits = bits&^bitOf(completed) | bitOf(noAnswer)
	}
	return bits
}

// report adds a report to what the row knows and derives the row's state. The
// row keeps the code of the best report under whatever name the state goes, so
// that the best report can be told from the row: state stays a function of the
// set of reports.
func (c *Call) report(r State) {
	best := Join(State{Status: highest(c.Reported), ErrorCode: c.ErrorCode}, r)
	c.Reported |= bitOf(r.Status)
	c.State = State{Status: highest(Reached(c)), ErrorCode: best.ErrorCode}
	if rankOf(c.Status) > rankOf(best.Status) {
		c.ErrorCode = "" // a fact says better than every report
	}
}
