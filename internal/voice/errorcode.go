package voice

import (
	"strconv"
)

// The classes of error codes: a closed set, fit for a metric label, of the same
// names in every channel.
const (
	Unreachable   = "unreachable"    // nobody could be reached, perhaps only now
	Blocked       = "blocked"        // refused by the person called, or not permitted to us
	InvalidNumber = "invalid_number" // no such number
	Carrier       = "carrier"        // the network behind the provider failed
	Content       = "content"        // this call cannot be made as it is
	Rate          = "rate"           // too much, too fast
	Unknown       = "unknown"        // the code says nothing, or nothing that we know
)

// classes maps error codes to classes: the SIP response that ended a call, and
// what Twilio answers a request that it does not carry out.
//
// The source of the responses is RFC 3261, section 21. 400 and 487 are left out
// on purpose: they say that the request was bad, or that it was given up, by
// whomever and for whatever reason. Twilio warns that the meanings of its own
// codes may change, so one is added here only when it is worth acting on.
var classes = map[string]string{
	"403": Blocked,       // forbidden
	"404": InvalidNumber, // not found
	"408": Unreachable,   // request timeout
	"410": InvalidNumber, // gone
	"415": Content,       // unsupported media type
	"480": Unreachable,   // temporarily unavailable
	"482": Carrier,       // loop detected
	"483": Carrier,       // too many hops
	"484": InvalidNumber, // address incomplete
	"485": InvalidNumber, // ambiguous
	"486": Unreachable,   // busy here
	"488": Content,       // not acceptable here
	"600": Unreachable,   // busy everywhere
	"603": Blocked,       // decline
	"604": InvalidNumber, // does not exist anywhere
	"606": Content,       // not acceptable
	"607": Blocked,       // unwanted: RFC 8197
	"608": Blocked,       // rejected by an analytics engine: RFC 8688

	"13224": InvalidNumber, // <Dial>: not a number that can be called
	"13225": Blocked,       // <Dial>: restricted number
	"13227": Blocked,       // <Dial>: region not enabled for the account
	"20429": Rate,          // too many requests
	"21211": InvalidNumber, // not a valid To number
	"21214": Unreachable,   // To number cannot be reached
	"21215": Blocked,       // region not enabled for the account
	"21217": InvalidNumber, // does not appear to be valid
	"32205": Blocked,       // SIP trunk: region not enabled for the account
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
		return Carrier // RFC 3261, section 21.5: a server on the way has failed
	}
	return Unknown
}
