package email

import "cmp"

// State is what is reported of a recipient or an e-mail and may change: its
// status and the error code that came with it, as given ("" = none).
type State struct {
	Status    string
	ErrorCode string
}

// Join returns the better of two reports of one recipient, or of one e-mail as a
// whole, whichever came first: the status of the higher rank with its own code
// (so that a better status clears the code of a worse one), and of two codes of
// one status the more telling one.
//
// It is the maximum of a total order and so commutative, associative and
// idempotent for any texts. Names that are no statuses stand below those that
// are, and the zero State below everything.
func Join(a, b State) State { return maximum(a, b, Status.rank) }

// worse returns the worse of what two recipients came to; it is the maximum of
// another total order of the same states.
func worse(a, b State) State { return maximum(a, b, Status.severity) }

// derive returns the state of an e-mail. What was said of it as a whole was said
// of each of its recipients.
func derive(own State, recipients map[string]Recipient) State {
	if len(recipients) == 0 {
		return own
	}
	var worst State
	for _, r := range recipients {
		worst = worse(worst, Join(own, r.State))
	}
	return worst
}

func (s Status) rank() int     { return s.Rank }
func (s Status) severity() int { return s.Severity }

func maximum(a, b State, place func(Status) int) State {
	if compare(a, b, place) < 0 {
		return b
	}
	return a
}

func compare(a, b State, place func(Status) int) int {
	if a.Status != b.Status {
		return cmp.Or(
			cmp.Compare(placeOf(a.Status, place), placeOf(b.Status, place)),
			cmp.Compare(a.Status, b.Status), // both unknown
		)
	}
	return compareCodes(a.ErrorCode, b.ErrorCode)
}

func placeOf(name string, place func(Status) int) int {
	if s, ok := byName[name]; ok {
		return place(s)
	}
	return -1
}
