package voice

import (
	"slices"

	"waybill/internal/events"
)

// Status is one row of the table of statuses.
type Status struct {
	Name     string
	Rank     int  // place in the order of all statuses; only the order matters, numbers may change
	Bit      int  // its bit in Call.Reported, 0 to 62; stored in the database, so never renumbered or re-used
	Terminal bool // the call is over
}

// Names of the statuses that have rules of their own.
const (
	queued     = "queued"
	inProgress = "in_progress"
	noAnswer   = "no_answer"
	completed  = "completed"
)

// table lists the statuses in rank order: a row's place is its rank. The source
// is Twilio's list of call statuses; intended is Waybill's own, for a call that
// no provider was asked to make yet.
//
// A call ends once, so the order of the terminal statuses decides only between
// reports that contradict each other: the one that says more of the call is
// above. A call that was completed was answered, whatever else is said of it.
var table = rank([]Status{
	{Name: events.Intended, Bit: 0},
	{Name: queued, Bit: 1},
	{Name: "initiated", Bit: 2},
	{Name: "ringing", Bit: 3},
	{Name: inProgress, Bit: 4},
	{Name: "failed", Bit: 5, Terminal: true},
	{Name: "canceled", Bit: 6, Terminal: true},
	{Name: "busy", Bit: 7, Terminal: true},
	{Name: noAnswer, Bit: 8, Terminal: true},
	{Name: completed, Bit: 9, Terminal: true},
})

// aliases are what senders call a status in their records, where they have one
// set of words for every channel.
var aliases = map[string]string{
	"accepted": queued,
	"sent":     "initiated",
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

// Terminal tells whether a call of that status is over.
func Terminal(status string) bool { return byName[status].Terminal }

// BitName returns the name of the status whose bit it is, "" if none has it.
func BitName(bit int) string {
	for i := range table {
		if table[i].Bit == bit {
			return table[i].Name
		}
	}
	return ""
}

// highest returns the name of the highest status of a set of bits, "" if there
// is none in it.
func highest(bits uint64) string {
	for i := len(table) - 1; i >= 0; i-- {
		if bits&(1<<table[i].Bit) != 0 {
			return table[i].Name
		}
	}
	return ""
}

func bitOf(name string) uint64 { return 1 << byName[name].Bit }

func rankOf(name string) int {
	if s, ok := byName[name]; ok {
		return s.Rank
	}
	return -1
}
