// Package provider is the contract of an outside party that calls Waybill:
// verify a request, name its evidence, parse its payload. One folder below it
// holds all knowledge of one party; providertest is the suite they must pass.
//
// Verification happens at the edge with nothing but a snapshot of signers in
// memory; parsing happens in the router, on what was kept. Neither does I/O.
package provider

import (
	"context"
	"net/http"
	"time"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// Request is one request as ingest read it. Nothing in it is to be trusted.
type Request struct {
	Kind   events.Kind // what the path is for
	Method string
	URI    string // request URI, byte for byte; never rebuilt from parts
	Header http.Header
	Body   []byte // raw, bounded; nil where a [Carrier] is to read it
	At     time.Time
}

// Secret is one way to sign that a signer has. Printed, it shows no value.
type Secret struct {
	ID        string
	Name      string // under which a request asks for it; "" = it is tried on all that ask for none
	Algorithm string // "" = the provider's own
	Value     config.SecretBytes
}

// Signer is a party whose signature is accepted, with the secrets that are
// valid now: several during a rotation.
type Signer struct {
	Name    string // an account's SID, an endpoint's name, the ARN of a topic or of an instance
	Secrets []Secret
}

// Knowledge is how sure a look-up of a signer is.
type Knowledge uint8

// Known: here it is. Unknown: the snapshot is complete and fresh, and it is
// not in it. Unsure: the snapshot may be missing something.
const (
	Unsure Knowledge = iota
	Unknown
	Known
)

// Signers is the snapshot of who may sign. It is safe for concurrent use.
type Signers interface {
	// Signer looks one signer up by name.
	Signer(p events.Provider, name string) (Signer, Knowledge)
	// Signers returns every signer of a provider, for those whose requests do
	// not name one. Known with an empty list cannot happen.
	Signers(p events.Provider) ([]Signer, Knowledge)
}

// Registered returns a look-up by name of whether somebody is a provider's
// signer, and of whether that is certain.
func Registered(s Signers, p events.Provider) func(name string) (registered, certain bool) {
	return func(name string) (registered, certain bool) {
		_, k := s.Signer(p, name)
		return k == Known, k != Unsure
	}
}

// Verified is what a genuine request is kept under.
type Verified struct {
	Signer  string          // whose signature it was
	Token   string          // the id of the secret that signed it; "" = none of ours
	Kind    events.Kind     // what it turned out to be; "" = what its path is for
	Key     string          // the provider's resource id: the Kafka key; never empty
	Called  string          // somebody calls this number of ours, as senders are kept, and waits for an answer; "" = nobody does
	Headers []events.Header // those that were signed or name the event, names in lower case
}

// Verifier tells genuine requests from others. It is safe for concurrent use.
type Verifier interface {
	// Provider names the party.
	Provider() events.Provider
	// Verify returns what the request is kept under, or a fault: Unverified
	// (false, missing or stale), Unregistered (the signer is not one of ours),
	// Unavailable (cannot tell now) or Invalid (nothing that could be signed),
	// with one of Reasons as its reason.
	// A request that is signed but makes no sense is verified: its parser
	// will say what is wrong with it.
	Verify(ctx context.Context, r *Request, signers Signers) (Verified, error)
	// Reasons returns the closed set of reasons, for counters that start at zero.
	Reasons() []string
}

// Parsed is what one kept request says.
type Parsed struct {
	EventID  events.EventID
	Evidence tenantmap.Evidence // empty for events of no organisation
	// Exactly one of the following is set; its ids, receipt, times of receipt
	// and positions are filled in by the router.
	Message *events.Message
	Call    *events.Call
	Billing *events.Billing
	// Ignored says in a constant word why there is nothing to apply, of a request
	// that is about no organisation: it is final as it is.
	Ignored string
	// Confirm is what is to be done beside ignoring it; nil = nothing.
	Confirm *events.Confirmation
}

// Parser reads what was kept. It is safe for concurrent use.
type Parser interface {
	// Provider names the party.
	Provider() events.Provider
	// Parse returns what the request says. An error has a constant reason and is
	// of class Invalid, for a dead letter, or Forbidden, where a genuine signer
	// speaks for somebody else: to be quarantined. Parsed then holds the event id
	// and evidence as far as they could be read, so that the dead letter can
	// be found under the id that it names.
	Parse(raw *events.Raw) (Parsed, error)
	// Ignores returns the closed set of words of Parsed.Ignored, for counters
	// that start at zero; nil if it ignores nothing.
	Ignores() []string
}
