// Package twilio verifies and reads Twilio's callbacks.
//
// Verification is X-Twilio-Signature: HMAC-SHA1 over the URL as it is
// configured at Twilio, byte for byte, followed by the form's parameters in
// order. The URL is built from Waybill's own base URLs and the raw request
// URI, never from what the caller or a proxy says about the host. The scheme
// has no clock: a captured request verifies for ever, so repeats must be
// harmless further in.
//
// The package promises that a request it accepts was signed, over exactly the
// parameters that its parser reads, with a token of the account that it names.
// It never does I/O and never puts a value of a request into an error.
package twilio

import (
	"context"
	"net/http"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/tenantmap"
)

var (
	_ provider.Verifier = (*Twilio)(nil)
	_ provider.Parser   = (*Twilio)(nil)
	_ provider.Parser   = Parser{}
)

// Reasons of a refusal.
const (
	reasonBadMethod        = "bad_method"        // neither GET nor POST
	reasonMissingSignature = "missing_signature" // no X-Twilio-Signature
	reasonMissingBodyHash  = "missing_body_hash" // JSON without bodySHA256
	reasonBadBodyHash      = "bad_body_hash"     // JSON whose bodySHA256 is not the body's
	reasonBadSignature     = "bad_signature"     // signed with another token, or something was changed
	reasonURLMismatch      = "url_mismatch"      // signed with the account's token over another spelling of the URL
	reasonUnknownAccount   = "unknown_account"   // the account is not one of ours
	reasonUnsureAccount    = "unsure_account"    // the account may be one of ours
	reasonEmptySecret      = "empty_secret"      // the account has no token that could be used: an operator must act
)

// The headers that are read or kept.
const (
	headerSignature   = "X-Twilio-Signature"
	headerIdempotency = "I-Twilio-Idempotency-Token"
	headerContentType = "Content-Type"
)

// Twilio verifies requests for a set of public base URLs, and reads them. It
// is immutable and safe for concurrent use.
type Twilio struct {
	Parser
	bases []base
}

// New returns a Twilio for the base URLs that its callbacks were given:
// absolute http or https URLs without user, query and fragment, with or
// without a path. The signed URL is a base URL followed by the request URI.
// The error names the offending URL by its place and never quotes it.
func New(baseURLs []string) (*Twilio, error) {
	bases, err := parseBases(baseURLs)
	if err != nil {
		return nil, err
	}
	return &Twilio{bases: bases}, nil
}

// Reasons returns the closed set of reasons.
func (t *Twilio) Reasons() []string {
	return []string{
		reasonBadMethod, reasonMissingSignature, reasonMissingBodyHash, reasonBadBodyHash, reasonBadSignature,
		reasonURLMismatch, reasonUnknownAccount, reasonUnsureAccount, reasonEmptySecret,
	}
}

// decoy stands in for the token of an account that has none here, so that an
// unknown account costs the same work as a known one. What it matches is
// refused all the same.
var decoy = [][]byte{[]byte("a token that no account has had.")}

// Verify implements [provider.Verifier]. The account is read from the
// parameters before they are verified; it only selects the tokens to try.
func (t *Twilio) Verify(_ context.Context, r *provider.Request, signers provider.Signers) (provider.Verified, error) {
	signature, err := signatureOf(r.Header)
	if err != nil {
		return provider.Verified{}, err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return provider.Verified{}, fault.New(fault.Unverified, reasonBadMethod)
	}
	contentType := r.Header.Get(headerContentType)
	json := r.Method == http.MethodPost && isJSON(contentType)
	if json {
		if err := checkBodyHash(r.URI, r.Body); err != nil {
			return provider.Verified{}, err
		}
	}
	ps := readParams(r.Method, r.URI, contentType, r.Body)
	var tail []byte
	if r.Method == http.MethodPost && !json {
		tail = ps.canonical()
	}

	account := ps.first(paramAccount)
	if json && ps == nil {
		account = accountIn(r.Body)
	}
	signer, knowledge := signers.Signer(events.Twilio, account)
	tokens := usable(signer.Secrets)
	known := knowledge == provider.Known && len(tokens) > 0
	if !known {
		tokens = decoy
	}
	verdict := t.judge(signature, tokens, r.URI, tail)
	switch {
	case known && verdict != nil:
		return provider.Verified{}, verdict
	case known:
		return provider.Verified{
			Signer: account, Kind: kindOf(r.Kind, ps), Key: key(account, r.Kind, ps), Called: calledNumber(r.Kind, ps), Headers: kept(r.Header),
		}, nil
	case knowledge == provider.Known:
		return provider.Verified{}, fault.New(fault.Unavailable, reasonEmptySecret)
	case knowledge == provider.Unknown:
		return provider.Verified{}, fault.New(fault.Unregistered, reasonUnknownAccount)
	}
	return provider.Verified{}, fault.New(fault.Unavailable, reasonUnsureAccount)
}

// judge decides over a signature, given the tokens, the request URI and what
// is signed behind the URL.
func (t *Twilio) judge(signature []byte, tokens [][]byte, uri string, tail []byte) error {
	for _, b := range t.bases {
		if matches(signature, tokens, b.accepted, uri, tail) {
			return nil
		}
	}
	if how := t.signedElsewhere(signature, tokens, uri, tail); how != "" {
		return fault.Wrap(fault.Unverified, reasonURLMismatch, &provider.SpellingError{How: how})
	}
	return fault.New(fault.Unverified, reasonBadSignature)
}

// key returns the resource that a request is about; where it names none, its
// account and kind, so that the key is never empty and always bounded.
func key(account string, kind events.Kind, ps params) string {
	for _, name := range []string{paramMessage, paramSMS, paramCall} {
		if sid := ps.first(name); isSID(sid, "SM", "MM", "CA") {
			return sid
		}
	}
	return account + "/" + string(kind)
}

// kindOf returns what a request is: the results of a <Dial> come by the path of
// call statuses, and want another answer.
func kindOf(kind events.Kind, ps params) events.Kind {
	if kind == events.KindCall && ps.has(paramDialStatus) {
		return events.KindDial
	}
	return kind
}

// calledNumber returns the number of ours that is called, "" for other requests
// and where several are named.
func calledNumber(kind events.Kind, ps params) string {
	if kind != events.KindCallInbound {
		return ""
	}
	in := reader{params: ps}
	return tenantmap.NormaliseSender(in.address(paramTo))
}

// kept returns the headers that the raw record keeps.
func kept(h http.Header) []events.Header {
	hs := make([]events.Header, 0, 3)
	for _, name := range [...][2]string{
		{headerSignature, "x-twilio-signature"},
		{headerIdempotency, "i-twilio-idempotency-token"},
		{headerContentType, "content-type"},
	} {
		if v := h.Get(name[0]); v != "" {
			hs = append(hs, events.Header{Key: name[1], Value: []byte(v)})
		}
	}
	return hs
}
