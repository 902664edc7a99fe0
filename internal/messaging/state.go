package messaging

import "cmp"

// State is what is reported of a message and may change: its status and the
// error code that came with it, as given ("" = none).
type State struct {
	Status    string
	ErrorCode string
}

// Join returns the better of two reports of one message, whichever came first:
// the status of the higher rank with its own code (so that a better status
// clears the code of a worse one), and of two codes of one status the more
// telling one.
//
// It is the maximum of a total order and so commutative, associative and
// idempotent for any texts. Names that are no statuses stand below those that
// are, and the zero State below everything.
func Join(a, b State) State {
	if a.compare(b) < 0 {
		return b
	}
	return a
}

func (a State) compare(b State) int {
	if a.Status != b.Status {
		return cmp.Or(
			cmp.Compare(rankOf(a.Status), rankOf(b.Status)),
			cmp.Compare(a.Status, b.Status), // both unknown
		)
	}
	return compareCodes(a.ErrorCode, b.ErrorCode)
}

func rankOf(name string) int {
	if s, ok := byName[name]; ok {
		return s.Rank
	}
	return -1
}
