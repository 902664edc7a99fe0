package simulate

// callStep is one step of a call's history: Twilio's word, and what it comes to.
type callStep struct {
	said string
	says state
	sip  string
}

// callOutline is how a call may go, and how often it goes so.
type callOutline struct {
	weight   int
	recorded bool
	steps    []callStep
}

var (
	callInitiated = callStep{said: "initiated", says: state{status: "initiated"}}
	callRinging   = callStep{said: "ringing", says: state{status: "ringing"}}
	callAnswered  = callStep{said: "in-progress", says: state{status: "in_progress"}}
	callCompleted = callStep{said: "completed", says: state{status: "completed"}, sip: "200"}
)

// callOutlines are what Twilio reports of calls, from
// https://www.twilio.com/docs/voice/api/call-resource#statuscallbackevent.
var callOutlines = []callOutline{
	{40, false, []callStep{callInitiated, callRinging, callAnswered, callCompleted}},
	{30, true, []callStep{callInitiated, callRinging, callAnswered, callCompleted}},
	{10, false, []callStep{callCompleted}}, // the default: the end alone
	{8, false, []callStep{callInitiated, callRinging, {"no-answer", state{status: "no_answer"}, ""}}},
	{6, false, []callStep{callInitiated, callRinging, {"busy", state{"busy", "486"}, "486"}}},
	{3, false, []callStep{callInitiated, {"failed", state{"failed", "404"}, "404"}}},
	{3, false, []callStep{callInitiated, callRinging, {"canceled", state{status: "canceled"}, ""}}},
}
