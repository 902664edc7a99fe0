package join

import "time"

// Millis returns a time in UTC at the precision that is stored, so that a row
// that was written and read again still equals its event. Every join of times
// keeps and compares them so.
func Millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Earliest keeps the earliest time; nil is no time.
func Earliest(dst **time.Time, v *time.Time) bool {
	return move(dst, v, time.Time.Before)
}

// Latest keeps the latest time; nil is no time.
func Latest(dst **time.Time, v *time.Time) bool {
	return move(dst, v, time.Time.After)
}

func move(dst **time.Time, v *time.Time, better func(t, old time.Time) bool) bool {
	if v == nil {
		return false
	}
	t := Millis(*v)
	if *dst != nil && !better(t, **dst) {
		return false
	}
	*dst = &t
	return true
}

// Span widens the span from the first to the last time until at lies in it, and
// tells whether either moved. The zero time is no time.
func Span(first, last *time.Time, at time.Time) bool {
	at = Millis(at)
	if at.IsZero() {
		return false
	}
	moved := false
	if first.IsZero() || at.Before(*first) {
		*first, moved = at, true
	}
	if last.IsZero() || at.After(*last) {
		*last, moved = at, true
	}
	return moved
}
