package simulate

import (
	"net/url"
	"strconv"
	"time"
)

// The paths that a Twilio account is given for its calls.
const (
	pathCall       = "/api/webhooks/voice"
	pathCallStatus = "/api/webhooks/voice/status"
	pathRecording  = "/api/webhooks/voice/recording"
)

// PhoneCall is a call as Twilio knows it.
type PhoneCall struct {
	SID, Parent string // Parent: of the call that this is a leg of
	From, To    string
	Direction   string // inbound, outbound-api, outbound-dial
}

// CallEvent is one step of a call.
type CallEvent struct {
	Status   string // as Twilio writes it: in-progress, no-answer
	Sequence int    // how many steps came before it
	At       time.Time
	Seconds  int    // how long the call took, once it is over; 0 = not told
	SIP      string // response that ended it
	Answered string // who answered, "" = not told
}

// Incoming returns the webhook of a call that somebody makes to a number of ours.
func (t Twilio) Incoming(c *PhoneCall) Request {
	form := t.call(c)
	form.Set("CallStatus", "ringing")
	return t.Sign(pathCall, form)
}

// Progress returns the callback of one step of a call.
func (t Twilio) Progress(c *PhoneCall, p *CallEvent) Request {
	form := t.call(c)
	form.Set("CallStatus", p.Status)
	form.Set("CallbackSource", "call-progress-events")
	form.Set("SequenceNumber", strconv.Itoa(p.Sequence))
	form.Set("Timestamp", p.At.UTC().Format(time.RFC1123Z))
	if p.Seconds > 0 {
		form.Set("CallDuration", strconv.Itoa(p.Seconds))
		form.Set("Duration", strconv.Itoa((p.Seconds+59)/60)) // minutes
	}
	for name, value := range map[string]string{"SipResponseCode": p.SIP, "AnsweredBy": p.Answered} {
		if value != "" {
			form.Set(name, value)
		}
	}
	return t.Sign(pathCallStatus, form)
}

// Dialled returns the result of a <Dial>, which made a leg.
func (t Twilio) Dialled(c *PhoneCall, leg, result string, seconds int) Request {
	form := t.call(c)
	form.Set("CallStatus", "in-progress")
	form.Set("DialCallSid", leg)
	form.Set("DialCallStatus", result)
	form.Set("DialCallDuration", strconv.Itoa(seconds))
	return t.Sign(pathCallStatus, form)
}

// Recorded returns the callback of a call's recording: in-progress, then
// completed with how long it is.
func (t Twilio) Recorded(call, sid, status string, seconds int) Request {
	form := url.Values{
		"CallSid": {call}, "AccountSid": {t.Account}, "RecordingSid": {sid}, "RecordingStatus": {status}, "ErrorCode": {"0"},
		"RecordingUrl": {RecordingURL(sid)}, "RecordingSource": {"OutboundAPI"}, "RecordingChannels": {"1"},
	}
	if seconds > 0 {
		form.Set("RecordingDuration", strconv.Itoa(seconds))
	}
	return t.Sign(pathRecording, form)
}

// RecordingURL returns where a recording lies.
func RecordingURL(sid string) string { return "https://api.twilio.com/" + sid }

func (t Twilio) call(c *PhoneCall) url.Values {
	form := url.Values{
		"CallSid": {c.SID}, "AccountSid": {t.Account}, "From": {c.From}, "To": {c.To}, "Direction": {c.Direction}, "ApiVersion": {"2010-04-01"},
	}
	if c.Parent != "" {
		form.Set("ParentCallSid", c.Parent)
	}
	return form
}
