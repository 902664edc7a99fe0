package voice

import (
	"strconv"

	"waybill/internal/errorcode"
)

// classes maps error codes to classes: the SIP response that ended a call, and
// what Twilio answers a request that it does not carry out.
//
// The source of the responses is RFC 3261, section 21. 400 and 487 are left out
// on purpose: they say that the request was bad, or that it was given up, by
// whomever and for whatever reason. Twilio warns that the meanings of its own
// codes may change, so one is added here only when it is worth acting on.
var classes = map[string]string{
	"403": errorcode.Blocked,       // forbidden
	"404": errorcode.InvalidNumber, // not found
	"408": errorcode.Unreachable,   // request timeout
	"410": errorcode.InvalidNumber, // gone
	"415": errorcode.Content,       // unsupported media type
	"480": errorcode.Unreachable,   // temporarily unavailable
	"482": errorcode.Carrier,       // loop detected
	"483": errorcode.Carrier,       // too many hops
	"484": errorcode.InvalidNumber, // address incomplete
	"485": errorcode.InvalidNumber, // ambiguous
	"486": errorcode.Unreachable,   // busy here
	"488": errorcode.Content,       // not acceptable here
	"600": errorcode.Unreachable,   // busy everywhere
	"603": errorcode.Blocked,       // decline
	"604": errorcode.InvalidNumber, // does not exist anywhere
	"606": errorcode.Content,       // not acceptable
	"607": errorcode.Blocked,       // unwanted: RFC 8197
	"608": errorcode.Blocked,       // rejected by an analytics engine: RFC 8688

	"13224": errorcode.InvalidNumber, // <Dial>: not a number that can be called
	"13225": errorcode.Blocked,       // <Dial>: restricted number
	"13227": errorcode.Blocked,       // <Dial>: region not enabled for the account
	"20429": errorcode.Rate,          // too many requests
	"21211": errorcode.InvalidNumber, // not a valid To number
	"21214": errorcode.Unreachable,   // To number cannot be reached
	"21215": errorcode.Blocked,       // region not enabled for the account
	"21217": errorcode.InvalidNumber, // does not appear to be valid
	"32205": errorcode.Blocked,       // SIP trunk: region not enabled for the account
}

// ErrorClass returns the class of an error code, "" for no code. The code is
// taken as given: one that differs in any character is unknown.
func ErrorClass(code string) string {
	if code == "" {
		return ""
	}
	if c, ok := classes[code]; ok {
		return c
	}
	if n, err := strconv.Atoi(code); err == nil && len(code) == 3 && n/100 == 5 {
		return errorcode.Carrier // RFC 3261, section 21.5: a server on the way has failed
	}
	return errorcode.Unknown
}

// compareCodes orders the codes that one status may carry, the more telling
// above. The order is total, which is what makes Join a join.
func compareCodes(a, b string) int {
	return errorcode.Compare(a, b, ErrorClass, errorcode.LowerNumber)
}
