// Package join merges what several events say of one field of a row, where the
// events come in any order and more than once.
//
// A join is a merge that is commutative, associative and idempotent. A field
// that is merged by one depends on the set of values that were told, not on
// their order or repetition, so every replica, replay and rebuild ends in the
// same row; docs/decisions/0007 says why each field has one. Here they have one
// form: what dst points to becomes its join with v, and the result tells
// whether it moved. Nothing (an empty text, a zero number, no time) is below
// everything and never moves a field.
//
// The functions never do I/O and never read a clock. They keep neither v nor
// anything that it points to, and are safe for concurrent use on different fields.
package join

import "slices"

// Smallest keeps the smallest text that is not empty.
func Smallest[S ~string](dst *S, v S) bool {
	if v == "" || (*dst != "" && *dst <= v) {
		return false
	}
	*dst = v
	return true
}

// SmallestList keeps the smallest list that is not empty, by its first text that
// differs; a list is above its own beginning.
func SmallestList(dst *[]string, v []string) bool {
	if len(v) == 0 || (len(*dst) > 0 && slices.Compare(*dst, v) <= 0) {
		return false
	}
	*dst = slices.Clone(v)
	return true
}

// Greatest keeps the greatest number above zero.
func Greatest[N ~int | ~int64](dst *N, v N) bool {
	if v <= *dst {
		return false
	}
	*dst = v
	return true
}

// Strongest keeps the text of the highest rank. Texts of rank zero, which "" must
// have, are as good as nothing; no two others may share a rank.
func Strongest[S ~string](dst *S, v S, rank func(S) int) bool {
	if rank(v) <= rank(*dst) {
		return false
	}
	*dst = v
	return true
}
