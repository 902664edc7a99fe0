package messaging

// The classes of error codes: a closed set, fit for a metric label.
const (
	Unreachable   = "unreachable"    // the handset or the route to it, perhaps only now
	Blocked       = "blocked"        // filtered, or not permitted to us
	OptedOut      = "opted_out"      // the person said STOP
	InvalidNumber = "invalid_number" // no such number, or it takes no messages
	Carrier       = "carrier"        // the network behind the provider failed
	Content       = "content"        // this message cannot be sent as it is
	Rate          = "rate"           // too much, too fast
	Unknown       = "unknown"        // the code says nothing, or nothing that we know
)

// classes maps Twilio's error codes to classes. Twilio warns that meanings may
// change, so a code is added here only when it is worth acting on. 30008 is
// left out on purpose: by it Twilio says that it was not told the reason.
var classes = map[string]string{
	"21211": InvalidNumber, // not a valid To number
	"21408": Blocked,       // region not enabled for the account
	"21610": OptedOut,      // recipient unsubscribed
	"21612": Unreachable,   // not reachable from that sender
	"21614": InvalidNumber, // not a mobile number
	"21617": Content,       // body too long
	"30001": Rate,          // queue overflow
	"30002": Blocked,       // our account is suspended
	"30003": Unreachable,   // unreachable handset
	"30004": Blocked,       // message blocked
	"30005": InvalidNumber, // unknown handset
	"30006": InvalidNumber, // landline or unreachable carrier
	"30007": Blocked,       // filtered as spam
	"30017": Rate,          // carrier congestion
	"30018": Blocked,       // destination carrier wants a registered sender
	"30019": Content,       // larger than the carrier takes
	"30022": Rate,          // above the US A2P rate
	"30023": Rate,          // above the US A2P day's cap
	"30024": Blocked,       // sender not provisioned at the carrier
	"30034": Blocked,       // number not registered for US A2P
	"30036": Unreachable,   // validity period over
	"30410": Carrier,       // the provider behind Twilio timed out
	"63003": InvalidNumber, // channel knows no such address
	"63016": Content,       // outside the 24 h window and not a template
	"63018": Rate,          // channel's rate limit
	"63024": InvalidNumber, // invalid recipient
	"63032": Blocked,       // WhatsApp does not let us reach this user
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
	return Unknown
}
