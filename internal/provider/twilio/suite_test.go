package twilio_test

import (
	"crypto/sha256"
	"net/http"
	"testing"

	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/twilio"
	"waybill/internal/tenants"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	tw := newTwilio(t)
	// No escapes in the bodies: %2B and %2b would be two spellings of one value.
	status := "AccountSid=" + account + "&From=12345&MessageSid=" + messageID + "&MessageStatus=delivered&To=67890"
	inbound := "AccountSid=" + account + "&Body=hello+there&From=12345&MessageSid=" + messageID + "&To=67890"
	object := `{"AccountSid":"` + account + `","MessageSid":"` + messageID + `","MessageStatus":"sent"}`

	signForm := func(r *provider.Request, secret []byte) {
		r.Header.Set("X-Twilio-Signature", sign(string(secret), baseURL+r.URI, decodeForm(string(r.Body))))
	}
	signURL := func(r *provider.Request, secret []byte) {
		r.Header.Set("X-Twilio-Signature", sign(string(secret), baseURL+r.URI, nil))
	}
	request := func(kind events.Kind, method, uri, contentType, body string) provider.Request {
		return provider.Request{
			Kind: kind, Method: method, URI: uri, Body: []byte(body), At: received,
			Header: http.Header{"Content-Type": {contentType}, "I-Twilio-Idempotency-Token": {"one"}},
		}
	}
	common := providertest.Case{
		Verifier: tw, Parser: twilio.Parser{}, Signer: account, Header: "X-Twilio-Signature",
		Sign: signForm, SignsURI: true, SignsBody: true,
	}
	asForm, asInbound, asGet, asJSON := common, common, common, common
	asForm.Name = "status as form"
	asForm.Request = request(events.KindMessageStatus, http.MethodPost, statusURI+"?wb="+echo, formType, status)
	asInbound.Name = "inbound as form"
	asInbound.Request = request(events.KindMessage, http.MethodPost, inboundURI, formType, inbound)
	asGet.Name = "status as GET"
	asGet.Request = request(events.KindMessageStatus, http.MethodGet, statusURI+"?"+status, "", "")
	asGet.Sign, asGet.SignsBody = signURL, false
	asJSON.Name = "status as JSON"
	asJSON.Request = request(events.KindMessageStatus, http.MethodPost, withHash(statusURI, object), "application/json; charset=utf-8", object)
	asJSON.Sign = signURL
	more := []providertest.Case{asForm, asInbound, asGet, asJSON}
	for name, r := range map[string]provider.Request{
		"call status":  request(events.KindCall, http.MethodPost, callStatusURI, formType, "AccountSid="+account+"&CallSid="+callID+"&CallStatus=ringing"),
		"inbound call": request(events.KindCallInbound, http.MethodPost, voiceURI, formType, "AccountSid="+account+"&CallSid="+callID+"&From=1&To=2"),
		"recording": request(events.KindRecording, http.MethodPost, recordingURI, formType,
			"AccountSid="+account+"&CallSid="+callID+"&RecordingSid="+recordingID+"&RecordingStatus=absent"),
	} {
		c := common
		c.Name, c.Request = name, r
		more = append(more, c)
	}
	asShared := asForm
	asShared.Name, asShared.As = "status signed with a shared key", shared(tenants.AlgorithmHMACSHA256)
	asShared.Request.Header = asShared.Request.Header.Clone()
	asShared.Request.Header.Set(settingsHeader, "key="+sharedID+",algorithm=HMAC_SHA256")
	asShared.Sign = func(r *provider.Request, secret []byte) {
		r.Header.Set("X-Twilio-Signature", signWith(sha256.New, string(secret), baseURL+r.URI, decodeForm(string(r.Body))))
	}
	providertest.Suite(t, append(more, asShared)...)
}
