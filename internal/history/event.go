package history

import (
	"strings"
	"time"

	"waybill/internal/events"
)

// Event is one event and what became of it. Its JSON names are promises.
type Event struct {
	ID         events.EventID   `json:"event_id"`
	Provider   events.Provider  `json:"provider"`
	Type       string           `json:"type"`
	ReceivedAt time.Time        `json:"received_at"`
	OccurredAt *time.Time       `json:"occurred_at"` // the provider's clock, null if it sent none
	Outcome    events.Outcome   `json:"outcome"`     // final, or the state of a held event
	Reason     string           `json:"reason"`
	Status     string           `json:"status"`               // what the event says
	ErrorCode  string           `json:"error_code,omitempty"` // what the event says
	Duplicates int              `json:"duplicates"`           // repeats under other receipts
	VerifiedAs string           `json:"verified_as,omitempty"`
	ResolvedBy string           `json:"resolved_by,omitempty"` // which evidence named the organisation
	Receipt    events.ReceiptID `json:"receipt_id"`
	Kafka      *events.Position `json:"kafka,omitempty"` // where the raw record lies
	AppliedAt  *time.Time       `json:"applied_at,omitempty"`
	HeldAt     *time.Time       `json:"held_at,omitempty"`
	Ready      bool             `json:"ready,omitempty"`   // held, and about to be processed anew
	Version    int64            `json:"version,omitempty"` // of the row behind an accepted transition
	Resource   string           `json:"resource_id,omitempty"`

	Sequence *int32 `json:"sequence,omitempty"` // a call's own order of events

	// The row's state behind an accepted transition.
	RowStatus     string                   `json:"-"`
	RowErrorCode  string                   `json:"-"`
	RowRecipients []events.RecipientStatus `json:"-"`
}

// SignerOf returns whom an event was verified as: its id begins with the
// provider, the signer and the kind. It returns "" for any other text.
func SignerOf(id events.EventID, p events.Provider, kind string) string {
	rest, ok := strings.CutPrefix(string(id), string(p)+"/")
	if !ok {
		return ""
	}
	signer, _, ok := strings.Cut(rest, "/"+kind+"/")
	if !ok {
		return ""
	}
	return signer
}

// Query asks for the story of an id.
type Query struct {
	ID   string
	Org  events.OrgID // narrows; "" = every organisation
	UUID string       // ID in canonical spelling if it is a UUID
	Keys []string     // texts of the keys that could stand for ID
	// Addresses are the spellings of ID if it can be a person's or sender's address.
	Addresses []string
	Resources int // most resources
	Events    int // most events of each resource
	Held      int // most held events
}

// Found is what is on record about an id, in no order.
type Found struct {
	Resources []Resource
	Events    []Event
	Held      []Held
	Consents  []Decision // about an address
	Many      bool       // the id stands for several resources: an address, a campaign, a customer
	More      bool       // there is more on record than was asked for
}

// Decision is whether somebody opted out, as it holds. Its JSON names are promises.
type Decision struct {
	Org      events.OrgID   `json:"org_id"`
	Channel  events.Channel `json:"channel"`
	Sender   string         `json:"sender"` // "" = every sender of the channel
	Address  string         `json:"address"`
	OptedOut bool           `json:"opted_out"`
	At       time.Time      `json:"decided_at"`
	Event    events.EventID `json:"event_id"`
}
