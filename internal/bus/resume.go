package bus

import (
	"errors"
	"fmt"
)

// ErrLogBehind is returned when the log ends below a position that was already
// applied: the topic was made anew or lost its tail. Reading on would apply
// other records under old positions, so the partition stops until an operator
// has looked.
var ErrLogBehind = errors.New("the log ends below what was already applied")

// Resume returns the offset at which a partition starts, from the group's
// commit and the position that the database keeps (known is false if it keeps
// none). The lower one wins: after a restore of the database that is what it
// has lost, after a crash it is what was applied but not yet published. A
// database that knows nothing starts at the beginning; everything behind it is
// idempotent.
func Resume(a Assignment, next int64, known bool) (int64, error) {
	if !known || a.Committed < 0 {
		return a.First, logBehind(a, next, known)
	}
	return max(a.First, min(a.Committed, next)), logBehind(a, next, known)
}

func logBehind(a Assignment, next int64, known bool) error {
	if known && next > a.End {
		return fmt.Errorf("%w: log ends at %d, applied up to %d", ErrLogBehind, a.End, next)
	}
	return nil
}
