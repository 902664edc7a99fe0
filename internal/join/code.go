package join

import (
	"cmp"
	"strconv"
)

// CompareCodes orders the error codes that one status may carry, the better one
// above: a code that says something is above one whose class is "unknown", and
// that is above none (class ""); of two alike the lower number is above, a number
// is above a text, and then the smaller text is above. The order is total, so
// that the better of two is a join.
func CompareCodes(a, b string, class func(code string) string) int {
	if c := cmp.Compare(telling(class(a)), telling(class(b))); c != 0 {
		return c
	}
	na, aerr := strconv.ParseUint(a, 10, 64)
	nb, berr := strconv.ParseUint(b, 10, 64)
	switch {
	case aerr == nil && berr != nil:
		return 1
	case aerr != nil && berr == nil:
		return -1
	case aerr == nil && na != nb:
		return cmp.Compare(nb, na)
	}
	return cmp.Compare(b, a)
}

func telling(class string) int {
	switch class {
	case "":
		return 0
	case "unknown":
		return 1
	}
	return 2
}
