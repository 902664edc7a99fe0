package tenantmap

import (
	"cmp"
	"slices"
	"strings"

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

// ParseKey returns the key of a text that String wrote.
func ParseKey(text string) Key {
	kind, value, _ := strings.Cut(text, "=")
	return Key{KeyKind(kind), value}
}

// Less orders keys; locks are always taken in this order.
func (k Key) Less(o Key) bool {
	if k.Kind != o.Kind {
		return k.Kind < o.Kind
	}
	return k.Value < o.Value
}

// isID tells whether the key is the id of one message or call.
func (k Key) isID() bool { return k.Kind == KeyResource || k.Kind == KeyEcho }

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

// SortKeys sorts keys in place and returns each of them once.
func SortKeys(keys []Key) []Key {
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value)) })
	return slices.Compact(keys)
}
