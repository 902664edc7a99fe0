package twilio_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"net/url"
	"testing"
)

// The floor: reading the form with the standard library and one HMAC.
func BenchmarkFloor(b *testing.B) {
	body := statusForm("delivered", "MessagingServiceSid", service)
	tail := []byte(stringToSign(baseURL+statusURI, decodeForm(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := url.ParseQuery(body); err != nil {
			b.Fatal(err)
		}
		mac := hmac.New(sha1.New, []byte(token))
		mac.Write(tail)
		mac.Sum(nil)
	}
}

// BenchmarkVerify is the work of one genuine status callback.
func BenchmarkVerify(b *testing.B) {
	tw, r, s := newTwilio(b), post(statusURI, statusForm("delivered", "MessagingServiceSid", service)), registered()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tw.Verify(b.Context(), r, s); err != nil {
			b.Fatal(err)
		}
	}
}
