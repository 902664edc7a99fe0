package tenantmap

import (
	"time"

	"waybill/internal/events"
)

// Held is an event without a home: parked until one of its keys is recorded,
// quarantined because its evidence contradicts, or dead because it will never
// work as it is. It keeps its raw record, so that it can be processed anew.
type Held struct {
	EventID    events.EventID
	Receipt    events.ReceiptID
	State      events.Outcome // Parked, Quarantined or Dead
	Reason     string
	Provider   events.Provider
	Kind       events.Kind
	Signer     string
	Named      string // text of the resource key that the event names, "" if none
	ReceivedAt time.Time
	Raw        events.Position
	Record     []byte    // the raw record, packed; nil: read it at Raw
	Detail     string    // what was found, for an operator; no personal data
	Keys       []Key     // every key that could free it
	RetryAt    time.Time // when it is tried again by itself; zero: never
}

// Ignored is an event about no organisation, which is final as it is.
type Ignored struct {
	EventID    events.EventID
	Receipt    events.ReceiptID
	ReceivedAt time.Time
}

// Unsettled is an event that is decided under the locks of its keys: because
// nothing resolves it, as far as is known without them, or because its id is to
// be entered. AdoptAt is when it may make its row if nothing else does.
type Unsettled struct {
	Held     Held // as it would be held; its state, reason, detail and keys are decided
	Evidence Evidence
	Decision Decision // without the locks
	AdoptAt  time.Time
}

// Send is a send record to be entered in the map.
type Send struct {
	Org        events.OrgID
	Resource   Key // zero while intended
	Echo       Key // zero without a message id
	Provider   events.Provider
	ProviderID string
	MessageID  string
	Account    string
	SentAt     time.Time // zero if not known
	// What was written from and to whom, normalised by NormaliseSender; both
	// "" if nobody can answer it.
	Sender, Person string
}

// Entry is what became of a send record.
type Entry struct {
	Row    events.RowID // set when it was recorded
	Reason string       // otherwise why not
	// Asked is what the person asked last of the shared sender that the send is
	// from, as Request.Event; nil if nothing.
	Asked *events.Message
}

// Why a send record was not entered.
const (
	ReasonTaken      = "taken_by_another_org" // quarantined: the id belongs to another organisation
	ReasonOtherID    = "other_id_on_record"   // quarantined: one of its two ids was recorded with another
	ReasonUnknownOrg = "unknown_org"          // dead: there is no such organisation
)

// Request is what a person asked of a sender: STOP or START.
type Request struct {
	Evidence Evidence
	OptedOut bool
	// Event is what everyone is told whom it concerns, without their ids: its
	// organisation, row and event id are those of the message itself.
	Event events.Message
}

// Claimed are held events that are leased to who claimed them; Token proves it.
type Claimed struct {
	Token  string
	Claims []Claim // in order of their ids
	More   bool    // there may be more behind them
}

// Claim is a held event that is to be processed anew.
type Claim struct {
	EventID events.EventID
	Raw     events.Position
	Record  []byte
	Signer  Signer
	State   events.Outcome
	ReadyAt *time.Time // by the database's clock; nil if that was not taken note of
}

// Keys returns the keys that the send records.
func (s *Send) Keys() []Key {
	keys := make([]Key, 0, 2)
	if s.Resource != (Key{}) {
		keys = append(keys, s.Resource)
	}
	if s.Echo != (Key{}) {
		keys = append(keys, s.Echo)
	}
	return keys
}

// Pair returns the keys of both ids of a send record that names both; false if
// it names one. Callbacks pair nothing: a provider that echoes our id for several
// of its own messages says nothing against any of them.
func (s *Send) Pair() (resource, echo Key, ok bool) {
	return s.Resource, s.Echo, s.Resource != Key{} && s.Echo != Key{}
}

// Conversation returns the key of the conversation that the send is part of if
// its sender is shared; false if it is part of none.
func (s *Send) Conversation() (Key, bool) { return ConversationKey(s.Sender, s.Person) }

// Signer is whose signature a held event was verified by.
type Signer struct {
	Provider events.Provider
	Name     string
}

// HeldState is how many events are held in a state, and the age of the oldest
// in seconds.
type HeldState struct {
	State  events.Outcome
	Events int64
	Oldest float64
}

// HeldMessage returns a resolved message event in the form in which it waits.
func HeldMessage(e *events.Message, state events.Outcome, reason string) Held {
	h := Held{
		EventID: e.EventID, Receipt: e.Receipt, State: state, Reason: reason,
		Provider: e.Provider, Kind: e.Kind, Signer: e.Account, ReceivedAt: e.ReceivedAt, Raw: e.Raw, Record: e.Packed,
	}
	if e.ProviderID != "" {
		h.Named = ResourceKey(e.Provider, e.ProviderID).String()
	}
	return h
}

// HeldCall returns a resolved call event in the form in which it waits.
func HeldCall(e *events.Call, state events.Outcome, reason string) Held {
	h := Held{
		EventID: e.EventID, Receipt: e.Receipt, State: state, Reason: reason,
		Provider: e.Provider, Kind: e.Kind, Signer: e.Account, ReceivedAt: e.ReceivedAt, Raw: e.Raw, Record: e.Packed,
	}
	if e.ProviderID != "" {
		h.Named = ResourceKey(e.Provider, e.ProviderID).String()
	}
	return h
}

// HeldBilling returns a billing event in the form in which it waits.
func HeldBilling(e *events.Billing, state events.Outcome, reason string) Held {
	h := Held{
		EventID: e.EventID, Receipt: e.Receipt, State: state, Reason: reason,
		Provider: events.Stripe, Kind: events.KindStripe, Signer: e.Mode, ReceivedAt: e.ReceivedAt, Raw: e.Raw, Record: e.Packed,
	}
	if e.Object != "" {
		h.Named = ResourceKey(events.Stripe, e.Object).String()
	}
	return h
}
