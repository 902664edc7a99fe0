package events

import (
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"waybill/internal/join"
)

// OrgID names an organisation: a canonical lower-case UUID. It is a type of
// its own so that no other identifier is taken for one.
type OrgID string

// RowID is the primary key, inside an organisation, of a message or call: the
// sender's own message id, or a UUIDv5 made by [DeriveRowID].
type RowID string

// EventID names what happened, the same for every repeat of the same callback.
// It begins with the provider and the verified signer, so that nobody can
// spend another's id, and is never a hash of the request.
type EventID string

// ReceiptID names one accepted request. Kafka may deliver the same receipt
// twice; a provider that repeats itself makes a new receipt for the same event.
type ReceiptID string

// Provider is the outside party that an event came from.
type Provider string

// The providers, as they stand in topics, event ids and metric labels.
const (
	Twilio  Provider = "twilio"
	SES     Provider = "ses"
	Connect Provider = "connect"
	Stripe  Provider = "stripe"
	Sender  Provider = "sender" // a campaign sender's own record of a send
)

// Carrier returns who carries what an event is about: the provider, or "" for a
// campaign sender, whose name would win over "twilio" where the smallest does.
func (p Provider) Carrier() Provider {
	if p == Sender {
		return ""
	}
	return p
}

// ErrBadUUID is returned for a text that is not a UUID.
var ErrBadUUID = errors.New("not a UUID (want 8-4-4-4-12 hexadecimal digits)")

// ParseUUID returns the canonical spelling of a UUID in its 36-character form.
func ParseUUID(s string) (string, error) {
	if len(s) != 36 {
		return "", ErrBadUUID
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return "", ErrBadUUID
	}
	return u.String(), nil
}

// ParseOrgID returns the organisation id in its canonical spelling.
func ParseOrgID(s string) (OrgID, error) {
	u, err := ParseUUID(s)
	return OrgID(u), err
}

// namespace is the UUIDv5 namespace of every id that Waybill derives. It is a
// promise: changing it would give every adopted message a new row.
var namespace = uuid.MustParse("5f0f2c26-6a0f-5d8e-9a55-3d1b7c1f7a10")

// DeriveRowID returns the row id of a resource whose sender gave it none:
// UUIDv5 over organisation, provider and the provider's id.
func DeriveRowID(org OrgID, p Provider, providerID string) RowID {
	return RowID(uuid.NewSHA1(namespace, []byte(string(org)+"\x00"+string(p)+"\x00"+providerID)).String())
}

// DeriveID returns a deterministic UUIDv5 for the given parts, for records
// that must have the same id each time they are published again.
func DeriveID(parts ...string) string {
	return uuid.NewSHA1(namespace, []byte(strings.Join(parts, "\x00"))).String()
}

// NewReceiptID returns a fresh receipt id (UUIDv7: sorted by time).
func NewReceiptID() ReceiptID {
	u, err := uuid.NewV7()
	if err != nil { // the system's random source failed; v4 would fail the same way
		u = uuid.New()
	}
	return ReceiptID(u.String())
}

// ReceiptTime returns when a receipt was given, to the millisecond; false if
// its id does not tell (only those of NewReceiptID do).
func ReceiptTime(r ReceiptID) (time.Time, bool) {
	u, err := uuid.Parse(string(r))
	if err != nil || u.Version() != 7 {
		return time.Time{}, false
	}
	sec, nsec := u.Time().UnixTime()
	return Millis(time.Unix(sec, nsec)), true
}

// NewEventID joins an event's provider, verified signer, kind and natural key.
// The parts must not contain NUL; natural is what the provider calls the event.
func NewEventID(p Provider, signer string, kind Kind, natural ...string) EventID {
	return EventID(string(p) + "/" + signer + "/" + string(kind) + "/" + strings.Join(natural, ":"))
}

// Millis truncates a time to the precision that is kept on Kafka and UTC, so
// that a value survives a round trip unchanged. It is the precision of rows.
func Millis(t time.Time) time.Time { return join.Millis(t) }
