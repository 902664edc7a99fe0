// Package history is what is on record, as operators read it: resources, the
// events of each with their outcomes, what is held, the receipts that every
// event came under. Stores fill these types; package operate arranges them.
//
// It is pure, and it never holds the text of a message.
package history

import (
	"time"

	"waybill/internal/events"
)

// Kinds of resources.
const (
	SMSMessage   = "sms_message"
	EmailMessage = "email_message"
	Call         = "call"
	Consent      = "consent" // what an opt-out at a shared sender is about: no row
	Subscription = "subscription"
)

// Resource is a row that events are about. Its JSON names are promises.
type Resource struct {
	Kind       string           `json:"kind"`
	ID         string           `json:"id"`          // row id; of a subscription Stripe's id
	ProviderID string           `json:"provider_id"` // "" while intended
	Status     string           `json:"status"`
	ErrorCode  string           `json:"error_code"`
	ErrorClass string           `json:"error_class,omitempty"`
	Org        events.OrgID     `json:"org_id,omitempty"` // "" = global
	Provider   events.Provider  `json:"provider"`
	MessageID  string           `json:"message_id,omitempty"` // the sender's own
	Account    string           `json:"account,omitempty"`
	Channel    events.Channel   `json:"channel,omitempty"`
	Direction  events.Direction `json:"direction,omitempty"`
	Origin     string           `json:"origin,omitempty"`
	From       string           `json:"from,omitempty"`
	To         string           `json:"to,omitempty"`
	Service    string           `json:"service,omitempty"`
	CampaignID string           `json:"campaign_id,omitempty"`
	CustomerID string           `json:"customer_id,omitempty"`
	Mode       string           `json:"mode,omitempty"` // Stripe: live or test
	Version    int64            `json:"version"`
	SentAt     *time.Time       `json:"sent_at,omitempty"`
	OccurredAt *time.Time       `json:"occurred_at,omitempty"`
	ReceivedAt time.Time        `json:"received_at"`
	UpdatedAt  time.Time        `json:"updated_at"`
	Facts      map[string]any   `json:"facts,omitempty"`
}

// Tally is what is on record of a fact without a value. Its JSON names are promises.
type Tally struct {
	Count int64      `json:"count"`
	First *time.Time `json:"first,omitempty"`
	Last  *time.Time `json:"last,omitempty"`
}

// Recipient is one of an e-mail's. Its JSON names are promises.
type Recipient struct {
	ID        string `json:"id"` // as status events name it
	Address   string `json:"address"`
	Status    string `json:"status"`
	ErrorCode string `json:"error_code,omitempty"`
}

// Recording is one of a call's. Its JSON names are promises.
type Recording struct {
	ProviderID string     `json:"provider_id"`
	Status     string     `json:"status"`
	ErrorCode  string     `json:"error_code,omitempty"`
	Duration   int64      `json:"duration_seconds"`
	Channels   int        `json:"channels,omitempty"`
	Source     string     `json:"source,omitempty"`
	Track      string     `json:"track,omitempty"`
	Location   string     `json:"location,omitempty"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
}
