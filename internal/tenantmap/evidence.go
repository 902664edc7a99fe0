// Package tenantmap decides which organisation an event belongs to: from the
// evidence that the event carries and the facts that are on record, never from
// what the event claims. It is pure; looking facts up and keeping them is the
// store's work, behind the small interfaces of the router.
package tenantmap

import (
	"time"

	"waybill/internal/events"
)

// Evidence is what one event brings to the question whose it is.
type Evidence struct {
	Event      events.EventID // under which an operator may have said whose it is
	Kind       events.Kind
	Provider   events.Provider
	Signer     string // verified; never empty for an event of an organisation
	ProviderID string // the resource's id at the provider; derives the row id
	Resources  []Key  // ids that decide if known
	Parents    []Key  // ids of what it is a part of: a call that dialled this leg
	Senders    []Key  // senders of ours that the event names
	Person     string // who wrote to them, normalised by NormaliseSender; "" if that tells nothing
	Inbound    bool   // they came to us: nobody will record a send of it
	At         time.Time
	Aged       bool // it has waited for its send record for long enough
}

// mayMake tells whether the event may make a row now.
func (e *Evidence) mayMake() bool {
	makes := PolicyOf(e.Kind).Makes
	return makes == AtOnce || makes == Late && (e.Aged || e.Inbound)
}

// MayAgeInto tells whether the event, held as d says, could make its row once
// it is aged: then it is tried again without anything being recorded.
func (e *Evidence) MayAgeInto(d Decision) bool {
	return d.Outcome == events.Parked && !e.mayMake() && PolicyOf(e.Kind).Makes == Late
}

// Keys returns every key that is looked up to decide.
func (e *Evidence) Keys() []Key {
	keys := e.ids()
	if e.mayMake() {
		keys = append(append(keys, e.Senders...), e.Conversations()...)
	}
	return append(keys, AccountKey(e.Provider, e.Signer))
}

func (e *Evidence) ids() []Key {
	keys := make([]Key, 0, len(e.Resources)+len(e.Parents)+2*len(e.Senders)+1)
	return append(append(keys, e.Resources...), e.Parents...)
}

// Awaits returns the keys whose being recorded could change a decision to hold
// the event: under these it waits, and these are locked while it is decided.
// While nobody knows an event's ids, and it may not make a row, nothing about
// accounts and senders matters; every event of an account would wait on them.
// What is not held waits for nothing, but its ids are locked while they are
// entered.
func (e *Evidence) Awaits(d Decision) []Key {
	if d.Outcome == "" || d.Reason == ReasonNoMapping && !e.mayMake() {
		return e.ids()
	}
	return e.Keys()
}

// Conversations returns the keys of what goes between the event's senders and
// its person.
func (e *Evidence) Conversations() []Key {
	var keys []Key
	for _, s := range e.Senders {
		if k, ok := ConversationKey(s.Value, e.Person); ok {
			keys = append(keys, k)
		}
	}
	return keys
}
