// Package errorcode holds what the error codes of all channels have in common:
// the classes that a code may be of, and which of two codes tells more. Which
// code is of which class stands in the room of each channel.
//
// It never does I/O; all functions are pure and safe for concurrent use.
package errorcode

import (
	"cmp"
	"strconv"
)

// The classes of error codes: a closed set, fit for a metric label. They are on
// the status topics, and so promises.
const (
	Unreachable    = "unreachable"     // the person, or the way there, could not be reached, perhaps only now
	Blocked        = "blocked"         // filtered, refused, or not permitted to us
	OptedOut       = "opted_out"       // the person said STOP or unsubscribed
	InvalidNumber  = "invalid_number"  // no such number, or it takes none of this kind
	InvalidAddress = "invalid_address" // the same of an e-mail: no such mailbox or domain
	Carrier        = "carrier"         // the network or a mail system behind the provider failed
	Content        = "content"         // this message, e-mail or call cannot be sent or made as it is
	Rate           = "rate"            // too much, too fast
	Unknown        = "unknown"         // the code says nothing, or nothing that we know
)

// Compare orders the codes that one status may carry, the more telling above: a
// code of a known class is above those that are Unknown, and these are above
// none; of two alike tie decides. class returns a code's class, "" for no code.
// The order is total if that of tie is.
func Compare(a, b string, class func(code string) string, tie func(a, b string) int) int {
	return cmp.Or(cmp.Compare(specificity(class(a)), specificity(class(b))), tie(a, b))
}

func specificity(class string) int {
	switch class {
	case "":
		return 0
	case Unknown:
		return 1
	}
	return 2
}

// LowerNumber is a tie rule for codes that are numbers: the lower number is
// above, a number is above a text, and of all others the smaller text is above.
func LowerNumber(a, b string) int {
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
	return SmallerText(a, b)
}

// SmallerText is the tie rule for codes that are texts: the smaller is above.
func SmallerText(a, b string) int { return cmp.Compare(b, a) }
