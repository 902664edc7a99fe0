// Package tenantmap decides which organisation an event belongs to: from the
// evidence that the event carries and the facts that are on record, never from
// what the event claims. It is pure; looking facts up and keeping them is the
// store's work, behind the small interfaces of the router.
package tenantmap

import (
	"strings"
	"time"

	"waybill/internal/events"
)

// KeyKind is what a key of the map names.
type KeyKind string

// The kinds of keys. They are stored, and so promises.
const (
	KeyResource KeyKind = "resource" // a provider's id of a message or call: "twilio:SM..."
	KeyEcho     KeyKind = "echo"     // our own message id, echoed back by the provider
	KeySender   KeyKind = "sender"   // something of ours that sends or is written to: "+15550100001", "MG..."
	KeyAccount  KeyKind = "account"  // a provider account that signs: "twilio:AC..."

	// What was sent from a shared sender to a person: "+15550100001|+15550100002".
	KeyConversation KeyKind = "conversation"
)

// Key is one thing that can tell an organisation, or free an event that waits
// for one.
type Key struct {
	Kind  KeyKind
	Value string
}

// String returns the key as operators type and read it, "resource=twilio:SM...".
// Keys of senders and conversations hold phone numbers: never log them.
func (k Key) String() string { return string(k.Kind) + "=" + k.Value }

// Less orders keys; locks are always taken in this order.
func (k Key) Less(o Key) bool {
	if k.Kind != o.Kind {
		return k.Kind < o.Kind
	}
	return k.Value < o.Value
}

// ResourceKey returns the key of a provider's id.
func ResourceKey(p events.Provider, id string) Key {
	return Key{KeyResource, string(p) + ":" + id}
}

// EchoKey returns the key of our own message id.
func EchoKey(messageID string) Key { return Key{KeyEcho, messageID} }

// SenderKey returns the key of a sender, normalised by [NormaliseSender].
func SenderKey(value string) Key { return Key{KeySender, NormaliseSender(value)} }

// AccountKey returns the key of a signing account.
func AccountKey(p events.Provider, name string) Key {
	return Key{KeyAccount, string(p) + ":" + name}
}

// between separates the two sides of a conversation in its key.
const between = "|"

// ConversationKey returns the key of what goes between a sender of ours and a
// person; both are normalised by [NormaliseSender]. False means that there can
// be no conversation: one of them is missing, or is written as no address is.
func ConversationKey(sender, person string) (Key, bool) {
	if sender == "" || person == "" || strings.Contains(sender+person, between) {
		return Key{}, false
	}
	return Key{KeyConversation, sender + between + person}, true
}

// Sides returns the sender and the person of a conversation's key.
func (k Key) Sides() (sender, person string) {
	sender, person, _ = strings.Cut(k.Value, between)
	return sender, person
}

// Evidence is what one event brings to the question whose it is.
type Evidence struct {
	Provider   events.Provider
	Signer     string // verified; never empty for an event of an organisation
	ProviderID string // the resource's id at the provider; derives the row id
	Resources  []Key  // ids that decide if known
	Senders    []Key  // senders of ours that the event names
	Person     string // who wrote to them, normalised by NormaliseSender; "" if that tells nothing
	At         time.Time
	Creates    bool // the event may create a row without a send record
}

// Keys returns every key that could tell the event's organisation or free it.
func (e *Evidence) Keys() []Key {
	keys := make([]Key, 0, len(e.Resources)+2*len(e.Senders)+1)
	keys = append(keys, e.Resources...)
	if e.Creates {
		keys = append(keys, e.Senders...)
		keys = append(keys, e.Conversations()...)
	}
	return append(keys, AccountKey(e.Provider, e.Signer))
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

// Mapping is a resource on record.
type Mapping struct {
	Org    events.OrgID
	Row    events.RowID
	SentAt time.Time // zero if not known
}

// Tenure is a time during which something belonged to an organisation: From
// inclusive, To exclusive. A zero From is the beginning, a zero To is open.
type Tenure struct {
	Org      events.OrgID
	From, To time.Time
}

// Covers tells whether t lies in the tenure.
func (t Tenure) Covers(at time.Time) bool {
	return !at.Before(t.From) && (t.To.IsZero() || at.Before(t.To))
}

// Account is what an account may sign for: every organisation, or those that
// held it at a time.
type Account struct {
	Platform []Tenure // when it could sign for every organisation; Org is empty
	Orgs     []Tenure
}

// Entitled tells whether the account could sign for an organisation at a time.
func (a Account) Entitled(org events.OrgID, at time.Time) bool {
	for _, t := range a.Platform {
		if t.Covers(at) {
			return true
		}
	}
	for _, t := range a.Orgs {
		if t.Org == org && t.Covers(at) {
			return true
		}
	}
	return false
}

// Conversation is when an organisation last wrote to a person from a sender.
type Conversation struct {
	Org  events.OrgID
	Last time.Time
}

// Facts are the records about the keys of a batch. A key that is absent is not
// on record.
type Facts struct {
	Mappings      map[Key]Mapping
	Senders       map[Key][]Tenure
	Conversations map[Key][]Conversation // of shared senders alone; one of each organisation
	Accounts      map[Key]Account
}
