package email

import (
	"slices"

	"waybill/internal/events"
)

// Status is one row of the table of statuses.
type Status struct {
	Name     string
	Rank     int  // place among the reports of one recipient, the better above; only the order matters, numbers may change
	Severity int  // place among what the recipients of one e-mail came to, the worse above; likewise
	Bit      int  // its bit in Message.Reached, 0 to 62; stored in the database, so never renumbered or re-used
	Terminal bool // the provider has nothing more to report, save a bounce that comes late
	Whole    bool // said of an e-mail as a whole only, whomever the event lists
}

// Names of the statuses that have rules of their own.
const (
	sent     = "sent"
	rejected = "rejected"
)

// table lists the statuses in rank order: a row's place is its rank. The source
// is Amazon SES's list of event types; intended is Waybill's own, for an e-mail
// that no provider was asked to send yet.
//
// SES promises no order, so the rank decides. A mail server may accept an e-mail
// and return it afterwards, so a permanent bounce is above delivered. A transient
// one is below: out-of-office replies are reported as such, and where SES
// gave up there is no delivery. It is terminal because SES reports it
// only when it tries no longer.
//
// The severity puts what is final above what is not, so that an e-mail is as far
// as the worst of those of whom the end is known.
var table = rank([]Status{
	{Name: events.Intended, Severity: 0, Bit: 0},
	{Name: sent, Severity: 1, Bit: 1},
	{Name: "delayed", Severity: 2, Bit: 2},
	{Name: "bounced_transient", Severity: 4, Bit: 3, Terminal: true},
	{Name: "delivered", Severity: 3, Bit: 4, Terminal: true},
	{Name: "bounced_permanent", Severity: 5, Bit: 5, Terminal: true},
	{Name: rejected, Severity: 6, Bit: 6, Terminal: true, Whole: true},
	{Name: "rendering_failed", Severity: 7, Bit: 7, Terminal: true, Whole: true},
})

// aliases are what senders call a status in their records, where they have one
// set of words for every channel.
var aliases = map[string]string{
	"accepted": sent,
	"queued":   sent,
	"failed":   rejected,
}

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

// Terminal tells whether a status of that name is terminal; of a name that is
// none it is false. An e-mail may have a terminal status while some of its
// recipients are open.
func Terminal(status string) bool { return byName[status].Terminal }
