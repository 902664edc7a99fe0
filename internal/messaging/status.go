package messaging

import (
	"slices"

	"waybill/internal/events"
)

// Status is one row of the table of statuses.
type Status struct {
	Name      string
	Rank      int              // place in the order of all statuses; only the order matters, numbers may change
	Bit       int              // its bit in Message.Reached, 0 to 62; stored in the database, so never renumbered or re-used
	Terminal  bool             // the provider has nothing better to report, save read after delivered
	Direction events.Direction // the messages that have this status
}

// table lists the statuses in rank order: a row's place is its rank. The
// source is Twilio's list of message statuses; intended is Waybill's own, for a
// message that no provider was asked to send yet.
//
// Twilio's callbacks carry no clock, so the rank alone decides. That delivered
// is above undelivered and failed is a choice: a carrier that corrects itself
// does so in this direction. Inbound statuses stand above the outbound ones
// only to make the order total; no message has both.
var table = rank([]Status{
	{Name: events.Intended, Bit: 0, Direction: events.Outbound},
	{Name: "accepted", Bit: 1, Direction: events.Outbound},
	{Name: "scheduled", Bit: 2, Direction: events.Outbound},
	{Name: "queued", Bit: 3, Direction: events.Outbound},
	{Name: "sending", Bit: 4, Direction: events.Outbound},
	{Name: "sent", Bit: 5, Direction: events.Outbound}, // the last one where the carrier returns no receipt
	{Name: "partially_delivered", Bit: 6, Direction: events.Outbound},
	{Name: "canceled", Bit: 7, Terminal: true, Direction: events.Outbound},
	{Name: "failed", Bit: 8, Terminal: true, Direction: events.Outbound},
	{Name: "undelivered", Bit: 9, Terminal: true, Direction: events.Outbound},
	{Name: "delivered", Bit: 10, Terminal: true, Direction: events.Outbound},
	{Name: "read", Bit: 11, Terminal: true, Direction: events.Outbound},
	{Name: "receiving", Bit: 12, Direction: events.Inbound},
	{Name: "received", Bit: 13, Terminal: true, Direction: events.Inbound},
})

var byName = func() map[string]Status {
	m := make(map[string]Status, len(table))
	for _, s := range table {
		m[s.Name] = s
	}
	return m
}()

func rank(rows []Status) []Status {
	for i := range rows {
		rows[i].Rank = i
	}
	return rows
}

// Statuses returns the table in rank order. The slice is the caller's own.
func Statuses() []Status { return slices.Clone(table) }

// Lookup returns the status of that exact name; false if it is none.
func Lookup(name string) (Status, bool) {
	s, ok := byName[name]
	return s, ok
}

// BitName returns the name of the status whose bit it is, "" if none has it.
func BitName(bit int) string {
	for i := range table {
		if table[i].Bit == bit {
			return table[i].Name
		}
	}
	return ""
}

// Terminal tells whether the provider has nothing better to report of a message
// in that status, save read after delivered. A text that is no status is not.
func Terminal(status string) bool { return byName[status].Terminal }
