// Package stripe verifies and reads Stripe's webhooks.
//
// Verification is Stripe-Signature: a time and one or more HMAC-SHA256 values
// over that time and the raw body, each keyed with a whole whsec_ text. Any
// good value of any registered endpoint suffices; the time must be near ours
// on either side. Stripe's own libraries accept times in the future: this one
// does not, so that a stolen request cannot be kept for later.
//
// Test and live are apart: an event is filed under the mode that its body
// names, which the signature covers. A secret that is registered as one of test
// mode files all under test, and an event of its that claims to be live is
// unusable: such secrets lie on many desks. The reverse is no error, because
// Stripe tells a live endpoint of connected accounts of their test events too.
//
// The package promises that a body it accepts is, byte for byte, one that was
// signed within the tolerance. It never does I/O, never needs an API version
// that it knows, and never puts a value of a request into an error.
package stripe

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"slices"
	"time"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/tenants"
)

var (
	_ provider.Verifier = (*Stripe)(nil)
	_ provider.Parser   = (*Stripe)(nil)
	_ provider.Parser   = Parser{}
)

// Tolerance is how far a signature's time may be from ours, as Stripe advises.
const Tolerance = 300 * time.Second

// Reasons of a refusal.
const (
	reasonMissingSignature   = "missing_signature"   // no Stripe-Signature
	reasonMalformedSignature = "malformed_signature" // not one time and a few values
	reasonBadSignature       = "bad_signature"       // no value is that of a registered secret
	reasonStale              = "stale"               // well signed, but too long ago or in the future
	reasonNoSecret           = "no_secret"           // no endpoint is registered
	reasonUnsureSecret       = "unsure_secret"       // the endpoint may be registered
	reasonEmptySecret        = "empty_secret"        // an endpoint has no secret that could be used: an operator must act
)

// The headers that are read and kept.
const (
	headerSignature   = "Stripe-Signature"
	headerContentType = "Content-Type"
)

// Stripe verifies requests, and reads them. It is immutable and safe for
// concurrent use.
type Stripe struct {
	Parser
	tolerance int64 // seconds
}

// New returns a Stripe that takes signatures whose time is at most tolerance,
// in whole seconds, before or after the request; usually [Tolerance].
func New(tolerance time.Duration) *Stripe {
	return &Stripe{tolerance: int64(tolerance / time.Second)}
}

// Reasons returns the closed set of reasons.
func (s *Stripe) Reasons() []string {
	return []string{
		reasonMissingSignature, reasonMalformedSignature, reasonBadSignature, reasonStale,
		reasonNoSecret, reasonUnsureSecret, reasonEmptySecret,
	}
}

// Verify implements [provider.Verifier]. A request names no endpoint, so the
// secrets of all are tried. The signature is checked before the time: stale
// then means a genuine request that is late, or a clock that is wrong.
func (s *Stripe) Verify(_ context.Context, r *provider.Request, signers provider.Signers) (provider.Verified, error) {
	sig, err := signatureOf(r.Header)
	if err != nil {
		return provider.Verified{}, err
	}
	endpoints, knowledge := signers.Signers(events.Stripe)
	if knowledge == provider.Unknown {
		return provider.Verified{}, fault.New(fault.Unregistered, reasonNoSecret)
	}
	secret := signed(sig, endpoints, r.Body)
	if secret == nil {
		return provider.Verified{}, refusal(endpoints, knowledge)
	}
	if age := r.At.Unix() - sig.at; age > s.tolerance || -age > s.tolerance {
		return provider.Verified{}, fault.New(fault.Unverified, reasonStale)
	}
	signer, key := name(r.Body)
	if secret.Algorithm == tenants.AlgorithmTestMode {
		signer = modeTest // whatever the body says: its parser will object
	}
	return provider.Verified{Signer: signer, Token: secret.ID, Key: key, Headers: kept(r.Header)}, nil
}

// signed returns the secret of one of the endpoints that made one of the values,
// nil if none did. All are tried: a secret that is registered both ways has the
// narrower meaning, that of test mode.
func signed(sig signature, endpoints []provider.Signer, body []byte) (found *provider.Secret) {
	var sum [sha256.Size]byte
	head := append(make([]byte, 0, maxDigits+1), sig.time...)
	head = append(head, '.')
	for _, endpoint := range endpoints {
		for j := range endpoint.Secrets {
			secret := &endpoint.Secrets[j]
			if !usable(*secret) {
				continue
			}
			mac := hmac.New(sha256.New, secret.Value)
			mac.Write(head)
			mac.Write(body)
			want := mac.Sum(sum[:0])
			for i := range sig.values {
				if hmac.Equal(want, sig.values[i][:]) && (found == nil || secret.Algorithm == tenants.AlgorithmTestMode) {
					found = secret
				}
			}
		}
	}
	return found
}

// usable tells whether a secret can verify: an empty one would let anybody sign.
func usable(s provider.Secret) bool {
	return len(s.Value) > 0 && (s.Algorithm == "" || s.Algorithm == "hmac-sha256" || s.Algorithm == tenants.AlgorithmTestMode)
}

// refusal says why no secret matched: the request is false only if every
// endpoint that it may have come from could be asked.
func refusal(endpoints []provider.Signer, knowledge provider.Knowledge) error {
	for _, endpoint := range endpoints {
		if !slices.ContainsFunc(endpoint.Secrets, usable) {
			return fault.New(fault.Unavailable, reasonEmptySecret)
		}
	}
	if knowledge != provider.Known || len(endpoints) == 0 {
		return fault.New(fault.Unavailable, reasonUnsureSecret)
	}
	return fault.New(fault.Unverified, reasonBadSignature)
}

// kept returns the headers that the raw record keeps.
func kept(h http.Header) []events.Header {
	hs := make([]events.Header, 0, 2)
	hs = append(hs, events.Header{Key: "stripe-signature", Value: []byte(h.Get(headerSignature))})
	if v := h.Get(headerContentType); v != "" {
		hs = append(hs, events.Header{Key: "content-type", Value: []byte(v)})
	}
	return hs
}
