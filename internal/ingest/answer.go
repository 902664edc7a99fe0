package ingest

import (
	"encoding/xml"
	"net/http"
	"strings"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
)

// success is what a request is answered; a genuine one once it is durable.
type success struct {
	status      int
	contentType string // "" = no body
	body        string
}

func twiML(body string) success {
	return success{http.StatusOK, "text/xml", xml.Header[:len(xml.Header)-1] + body}
}

var (
	emptyTwiML = twiML("<Response/>")                    // there is nothing to reply with
	rejectCall = twiML("<Response><Reject/></Response>") // nobody says where the call should go
)

// redirectCall tells Twilio to ask another URL what to do with a call.
func redirectCall(url string) success {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(url)) // a builder takes everything
	return twiML("<Response><Redirect>" + b.String() + "</Redirect></Response>")
}

// reply returns the answer to a verified request and the kind that it turned
// out to be. An error means that where a call should go is not known now; it
// comes before the request is kept, so that the caller's fallback may take over.
func (e *edge) reply(rt *route, v *provider.Verified) (success, events.Kind, error) {
	if other, ok := rt.also[v.Kind]; ok {
		return other, v.Kind, nil
	}
	if !rt.calls {
		return rt.success, rt.kind, nil
	}
	url, knowledge := e.voice.VoiceURL(v.Called, v.Signer)
	switch {
	case knowledge == provider.Known:
		return redirectCall(url), rt.kind, nil
	case knowledge == provider.Unsure && v.Called != "":
		return success{}, rt.kind, errUnsureNumber
	}
	return rt.success, rt.kind, nil
}

// errUnsureNumber: the snapshot may be missing the number's voice URL.
var errUnsureNumber = fault.New(fault.Unavailable, "unsure_number")
