package stripe

import (
	"encoding/json"
	"strings"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
)

// Reasons for which a signed request is unusable.
const (
	invalidKind         = "unknown_kind"
	invalidJSON         = "undecodable"
	invalidID           = "bad_id"
	invalidObject       = "not_an_event"
	invalidType         = "bad_type"
	invalidVersion      = "bad_api_version"
	invalidMode         = "live_by_test_secret"
	invalidCreated      = "bad_created"
	invalidSubscription = "bad_subscription"
)

// The two kinds of events: with the object's state, and with a reference to it.
const (
	snapshot = "event"
	thin     = "v2.core.event"
)

const (
	maxType    = 128 // bytes
	maxVersion = 64  // bytes
	maxStatus  = 32  // bytes

	subscriptionPrefix = "customer.subscription."
)

// Parser reads what was kept of Stripe's requests. It is safe for concurrent use.
type Parser struct{}

// Provider implements [provider.Verifier] and [provider.Parser].
func (Parser) Provider() events.Provider { return events.Stripe }

// Ignores implements [provider.Parser].
func (Parser) Ignores() []string { return nil }

// Parse implements [provider.Parser]. A type or an API version that nobody
// here knows is no error: whoever applies the event decides what it needs.
func (Parser) Parse(raw *events.Raw) (provider.Parsed, error) {
	if raw.Kind != events.KindStripe {
		return provider.Parsed{}, fault.New(fault.Invalid, invalidKind)
	}
	var e envelope
	if err := json.Unmarshal(raw.Body, &e); err != nil {
		return provider.Parsed{}, fault.New(fault.Invalid, invalidJSON) // the cause may quote the payload
	}
	evt := id(e.ID)
	if evt == "" {
		return provider.Parsed{}, fault.New(fault.Invalid, invalidID)
	}
	p := provider.Parsed{EventID: events.NewEventID(events.Stripe, raw.Signer, raw.Kind, evt)}
	b, problem := billing(raw, &e)
	if problem != "" {
		return p, fault.New(fault.Invalid, problem)
	}
	b.StripeID = evt
	p.Billing = &b
	return p, nil
}

// billing reads everything but the event's id, or says what is wrong.
func billing(raw *events.Raw, e *envelope) (b events.Billing, problem string) {
	kind := text(e.Object)
	b = events.Billing{
		Mode: raw.Signer, Type: text(e.Type), Version: text(e.Version),
		Object: e.about(), Account: id(e.Account), ReceivedAt: raw.ReceivedAt,
	}
	if kind == thin && b.Account == "" {
		b.Account = idOf(lastOf(text(e.Context)))
	}
	var err error
	b.Created, err = created(e.Created)
	switch {
	case kind != snapshot && kind != thin:
		return b, invalidObject
	case raw.Signer == modeTest && e.mode() == modeLive:
		return b, invalidMode
	case len(b.Type) > maxType:
		return b, invalidType
	case len(b.Version) > maxVersion:
		return b, invalidVersion
	case err != nil:
		return b, invalidCreated
	}
	if kind == snapshot && strings.HasPrefix(b.Type, subscriptionPrefix) {
		b.Subscription, problem = subscription(e)
		if problem == "" && b.Created.IsZero() {
			problem = invalidCreated // it orders the subscription's events
		}
	}
	if kind == snapshot && b.Subscription == nil && problem == "" {
		if b.Payment = payment(e, b.Type); b.Payment != nil && b.Created.IsZero() {
			b.Payment, problem = nil, invalidCreated
		}
	}
	return b, problem
}

// subscription reads the state that a subscription's event carries.
func subscription(e *envelope) (*events.ObjectChange, string) {
	d := member[data](e.Data)
	o := member[object](d.Object)
	c := &events.ObjectChange{
		ID: id(o.ID), Customer: idOrObject(o.Customer), Status: text(o.Status),
		Previous: text(member[object](d.Previous).Status),
	}
	if c.ID == "" || !isStatus(c.Status) || c.Previous != "" && !isStatus(c.Previous) {
		return nil, invalidSubscription
	}
	return c, ""
}

// isStatus tells whether s looks like a status, known or not.
func isStatus(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= maxStatus
}
