package simulate

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's scheme
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// Twilio is one Twilio account that calls back.
type Twilio struct {
	PublicURL string // base URL that the signature covers
	Account   string // AC...
	Token     string
}

// The paths that a Twilio account is given.
const (
	pathStatus  = "/api/webhooks/sms/status"
	pathInbound = "/api/webhooks/sms"
)

// Status returns the callback that a message changed status. code is the
// error code, "" for none.
func (t Twilio) Status(sid, from, to, status, code string) Request {
	form := url.Values{
		"MessageSid": {sid}, "SmsSid": {sid}, "AccountSid": {t.Account}, "From": {from}, "To": {to},
		"MessageStatus": {status}, "SmsStatus": {status}, "ApiVersion": {"2010-04-01"},
	}
	if code != "" {
		form.Set("ErrorCode", code)
	}
	return t.Sign(pathStatus, form)
}

// Inbound returns the webhook of a message that somebody wrote.
func (t Twilio) Inbound(sid, from, to, body string) Request {
	return t.Sign(pathInbound, url.Values{
		"MessageSid": {sid}, "SmsSid": {sid}, "SmsMessageSid": {sid}, "AccountSid": {t.Account}, "From": {from}, "To": {to},
		"Body": {body}, "NumMedia": {"0"}, "NumSegments": {"1"}, "SmsStatus": {"received"}, "ApiVersion": {"2010-04-01"},
	})
}

// Sign makes the callback of any form to a path, which may have a query. It is
// signed as https://www.twilio.com/docs/usage/security describes: base64 of
// HMAC-SHA1, keyed with the auth token, over the URL and every name and value
// in the order of the names; different values of one name in their own order.
func (t Twilio) Sign(path string, form url.Values) Request {
	mac := hmac.New(sha1.New, []byte(t.Token))
	mac.Write([]byte(t.PublicURL + path))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
			mac.Write([]byte(name + value))
		}
	}
	return Request{
		Method: http.MethodPost, Path: path, Body: []byte(form.Encode()),
		Header: http.Header{
			"Content-Type":       {"application/x-www-form-urlencoded"},
			"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
		},
	}
}
