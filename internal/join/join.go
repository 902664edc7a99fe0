// Package join holds the small merges that rows of messages, e-mails and calls
// are made of. Each is a join: commutative, associative and idempotent, so that
// any order and any repetition of the same events ends in the same row (see
// docs/decisions/0007). Each changes what dst points to and reports whether that
// moved; an empty value says nothing and never moves it.
//
// The package is pure; its functions are safe for concurrent use on different rows.
package join

import (
	"slices"
	"time"
)

// Text keeps the smaller of two texts, in byte order.
func Text[S ~string](dst *S, v S) bool {
	if v == "" || (*dst != "" && *dst <= v) {
		return false
	}
	*dst = v
	return true
}

// Texts keeps the smaller of two lists. The one that is kept is a copy.
func Texts(dst *[]string, v []string) bool {
	if len(v) == 0 || (len(*dst) > 0 && slices.Compare(*dst, v) <= 0) {
		return false
	}
	*dst = slices.Clone(v)
	return true
}

// Number keeps the greater of two numbers.
func Number[N int | int64](dst *N, v N) bool {
	if v <= *dst {
		return false
	}
	*dst = v
	return true
}

// Strongest keeps the name that stands later in order. A name that does not
// stand there is below all that do.
func Strongest(dst *string, v string, order []string) bool {
	if slices.Index(order, v) <= slices.Index(order, *dst) {
		return false
	}
	*dst = v
	return true
}

// Earliest keeps the earlier of two times; nil is none.
func Earliest(dst **time.Time, v *time.Time) bool { return keep(dst, v, -1) }

// Latest keeps the later of two times; nil is none.
func Latest(dst **time.Time, v *time.Time) bool { return keep(dst, v, +1) }

func keep(dst **time.Time, v *time.Time, sign int) bool {
	t := Millis(v)
	if t == nil || (*dst != nil && t.Compare(**dst)*sign <= 0) {
		return false
	}
	*dst = t
	return true
}

// Span widens the time from first to last by one more; zero is none.
func Span(first, last *time.Time, v time.Time) bool {
	at, moved := v.UTC().Truncate(time.Millisecond), false
	if first.IsZero() || at.Before(*first) {
		*first, moved = at, true
	}
	if last.IsZero() || at.After(*last) {
		*last, moved = at, true
	}
	return moved
}

// Millis returns a time at the precision that is stored, in UTC, so that a row
// that was written and read again still equals its event.
func Millis(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC().Truncate(time.Millisecond))
}
