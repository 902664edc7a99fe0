// Package twilio verifies and reads Twilio's callbacks.
//
// Verification is X-Twilio-Signature: an HMAC over the URL as it is configured
// at Twilio, byte for byte, followed by the form's parameters in order, keyed
// with the account's auth token (SHA-1) or with a shared key that the request
// names. The URL is built from Waybill's own base URLs and the raw request
// URI, never from what the caller or a proxy says about the host. The scheme
// has no clock: a captured request verifies for ever, so repeats must be
// harmless further in.
//
// The package promises that a request it accepts was signed, over exactly the
// parameters that its parser reads, with a secret of the account that it names.
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
	reasonBadMethod         = "bad_method"         // neither GET nor POST
	reasonMissingSignature  = "missing_signature"  // no X-Twilio-Signature
	reasonMissingBodyHash   = "missing_body_hash"  // JSON without bodySHA256
	reasonBadBodyHash       = "bad_body_hash"      // JSON whose bodySHA256 is not the body's
	reasonMissingSettings   = "missing_settings"   // as long as a shared key's signature, and no key is named
	reasonMalformedSettings = "malformed_settings" // the header that names a shared key cannot be read
	reasonUnknownAlgorithm  = "unknown_algorithm"  // that header names an algorithm which is not Twilio's
	reasonBadSignature      = "bad_signature"      // signed with another token, or something was changed
	reasonURLMismatch       = "url_mismatch"       // signed with the account's token over another spelling of the URL
	reasonUnknownAccount    = "unknown_account"    // the account is not one of ours
	reasonUnsureAccount     = "unsure_account"     // the account may be one of ours
	reasonUnknownKey        = "unknown_key"        // the account has no shared key of that id
	reasonNoAuthToken       = "no_auth_token"      // the account has shared keys alone, and none is named
	reasonUnsureKey         = "unsure_key"         // the account may have that secret
	reasonEmptySecret       = "empty_secret"       // the account has no token that could be used: an operator must act
)

// The headers that are read or kept.
const (
	headerSignature   = "X-Twilio-Signature" // see also [headerSettings]
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
		reasonBadMethod, reasonMissingSignature, reasonMissingBodyHash, reasonBadBodyHash, reasonMissingSettings,
		reasonMalformedSettings, reasonUnknownAlgorithm, reasonBadSignature, reasonURLMismatch, reasonUnknownAccount,
		reasonUnsureAccount, reasonUnknownKey, reasonNoAuthToken, reasonUnsureKey, reasonEmptySecret,
	}
}

// Verify implements [provider.Verifier]. The account is read from the
// parameters before they are verified, and the key's id from a header that never
// is; they only select the secrets to try.
func (t *Twilio) Verify(_ context.Context, r *provider.Request, signers provider.Signers) (provider.Verified, error) {
	with, err := settingsOf(r.Header)
	if err != nil {
		return provider.Verified{}, err
	}
	signature, err := with.signatureOf(r.Header)
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
	keys := with.keys(signer.Secrets)
	if knowledge != provider.Known || len(keys) == 0 {
		_, _ = t.judge(signature, with.decoy(), r.URI, tail)
		return provider.Verified{}, with.stranger(signer, knowledge, signers)
	}
	id, err := t.judge(signature, keys, r.URI, tail)
	if err != nil {
		return provider.Verified{}, err
	}
	return provider.Verified{
		Signer: account, Token: id, Kind: kindOf(r.Kind, ps), Key: resource(account, r.Kind, ps),
		Called: calledNumber(r.Kind, ps), Headers: kept(r.Header),
	}, nil
}

// stranger says why there is nothing to verify a request with.
func (s settings) stranger(signer provider.Signer, knowledge provider.Knowledge, signers provider.Signers) error {
	switch {
	case knowledge == provider.Unknown:
		return fault.New(fault.Unregistered, reasonUnknownAccount)
	case knowledge == provider.Unsure:
		return fault.New(fault.Unavailable, reasonUnsureAccount)
	case s.registered(signer.Secrets):
		return fault.New(fault.Unavailable, reasonEmptySecret)
	}
	// A secret is missing for sure where a name that nobody has would be.
	if _, absent := signers.Signer(events.Twilio, nobody); absent == provider.Unsure {
		return fault.New(fault.Unavailable, reasonUnsureKey)
	}
	return fault.New(fault.Unregistered, s.missing())
}

// nobody is no account's name.
const nobody = "\x00"

// judge returns the id of the secret that made a signature, given the secrets to
// try, the request URI and what is signed behind the URL.
func (t *Twilio) judge(signature []byte, keys []key, uri string, tail []byte) (string, error) {
	for _, b := range t.bases {
		if k := matching(signature, keys, b.accepted, uri, tail); k != nil {
			return k.id, nil
		}
	}
	if how := t.signedElsewhere(signature, keys, uri, tail); how != "" {
		return "", fault.Wrap(fault.Unverified, reasonURLMismatch, &provider.SpellingError{How: how})
	}
	return "", fault.New(fault.Unverified, reasonBadSignature)
}

// resource returns the resource that a request is about; where it names none, its
// account and kind, so that the key is never empty and always bounded.
func resource(account string, kind events.Kind, ps params) string {
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
