package stripe_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"

	"waybill/internal/provider"
	"waybill/internal/provider/stripe"
)

// large is an event of the size that Stripe's are, about 4 KiB.
var large = strings.Replace(subscriptionUpdated, `"customer"`, `"metadata":{"note":"`+strings.Repeat("x", 4000)+`"},"customer"`, 1)

// The floor: one HMAC over the same bytes, and one look at whether they are JSON.
func BenchmarkFloor(b *testing.B) {
	payload := []byte("1795420800." + large)
	b.ReportAllocs()
	for b.Loop() {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(payload)
		mac.Sum(nil)
		if !json.Valid(payload[11:]) {
			b.Fatal("not JSON")
		}
	}
}

// BenchmarkVerify is the edge's work on one genuine event; with a secret that
// did not sign it before the one that did, as while secrets are rolled.
func BenchmarkVerify(b *testing.B) {
	s, r := stripe.New(stripe.Tolerance), request(header(secret, received, large), large)
	two := registered()
	two.Known[endpoint] = provider.Signer{Name: endpoint, Secrets: []provider.Secret{{Value: []byte("whsec_older")}, {Value: []byte(secret)}}}
	for _, c := range []struct {
		name    string
		signers provider.Signers
	}{{"secrets=1", registered()}, {"secrets=2", two}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Verify(b.Context(), r, c.signers); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParse is the router's.
func BenchmarkParse(b *testing.B) {
	raw := rawOf("live", large)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (stripe.Parser{}).Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}
