package messaging

import "waybill/internal/errorcode"

// classes maps Twilio's error codes to classes. Twilio warns that meanings may
// change, so a code is added here only when it is worth acting on. 30008 is
// left out on purpose: by it Twilio says that it was not told the reason.
var classes = map[string]string{
	"21211": errorcode.InvalidNumber, // not a valid To number
	"21408": errorcode.Blocked,       // region not enabled for the account
	"21610": errorcode.OptedOut,      // recipient unsubscribed
	"21612": errorcode.Unreachable,   // not reachable from that sender
	"21614": errorcode.InvalidNumber, // not a mobile number
	"21617": errorcode.Content,       // body too long
	"30001": errorcode.Rate,          // queue overflow
	"30002": errorcode.Blocked,       // our account is suspended
	"30003": errorcode.Unreachable,   // unreachable handset
	"30004": errorcode.Blocked,       // message blocked
	"30005": errorcode.InvalidNumber, // unknown handset
	"30006": errorcode.InvalidNumber, // landline or unreachable carrier
	"30007": errorcode.Blocked,       // filtered as spam
	"30017": errorcode.Rate,          // carrier congestion
	"30018": errorcode.Blocked,       // destination carrier wants a registered sender
	"30019": errorcode.Content,       // larger than the carrier takes
	"30022": errorcode.Rate,          // above the US A2P rate
	"30023": errorcode.Rate,          // above the US A2P day's cap
	"30024": errorcode.Blocked,       // sender not provisioned at the carrier
	"30034": errorcode.Blocked,       // number not registered for US A2P
	"30036": errorcode.Unreachable,   // validity period over
	"30410": errorcode.Carrier,       // the provider behind Twilio timed out
	"63003": errorcode.InvalidNumber, // channel knows no such address
	"63016": errorcode.Content,       // outside the 24 h window and not a template
	"63018": errorcode.Rate,          // channel's rate limit
	"63024": errorcode.InvalidNumber, // invalid recipient
	"63032": errorcode.Blocked,       // WhatsApp does not let us reach this user
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
	return errorcode.Unknown
}

// compareCodes orders the codes that one status may carry, the more telling
// above. The order is total, which is what makes Join a join.
func compareCodes(a, b string) int {
	return errorcode.Compare(a, b, ErrorClass, errorcode.LowerNumber)
}
