package events

import (
	"encoding/json"
	"fmt"
	"time"

	"waybill/internal/fault"
)

// Billing is one Stripe event: the body of a record on the billing topic.
// It belongs to no organisation.
type Billing struct {
	EventID  EventID   `json:"event_id"`
	Receipt  ReceiptID `json:"receipt_id"`
	StripeID string    `json:"stripe_id"` // evt_...
	Mode     string    `json:"mode"`      // live or test
	Type     string    `json:"type"`
	Version  string    `json:"api_version,omitempty"`
	Object   string    `json:"object,omitempty"`  // id of the object that it is about
	Account  string    `json:"account,omitempty"` // connected account
	Created  time.Time `json:"created"`

	Subscription *SubscriptionChange `json:"subscription,omitempty"`

	ReceivedAt time.Time `json:"received_at"`
	Raw        Position  `json:"raw"`
	Packed     []byte    `json:"-"` // the raw record itself
}

// SubscriptionChange is what a customer.subscription.* event says.
type SubscriptionChange struct {
	ID       string `json:"id"` // sub_...
	Customer string `json:"customer,omitempty"`
	Status   string `json:"status"`
	Previous string `json:"previous,omitempty"` // status in previous_attributes, if it changed
}

// Record returns the event as it stands on the billing topic.
func (b *Billing) Record() (Record, error) {
	v, err := json.Marshal(b)
	if err != nil {
		return Record{}, fmt.Errorf("encoding billing event: %w", err)
	}
	hs := attributes{
		id: string(b.EventID), source: "waybill/router", typ: TypeBilling,
		subject: b.Object, time: b.ReceivedAt, content: "application/json",
	}.headers(1)
	hs = append(hs, Header{headerPacked, b.Packed})
	key := b.Object
	if key == "" {
		key = b.StripeID
	}
	return Record{Topic: TopicBilling, Key: []byte(key), Value: v, Headers: hs}, nil
}

// DecodeBilling reads a record of the billing topic. Errors are of class Invalid.
func DecodeBilling(r *Record) (Billing, error) {
	var b Billing
	if err := decode(r, &b, TypeBilling); err != nil {
		return b, err
	}
	b.Packed = packed(r)
	if b.EventID == "" || b.Receipt == "" {
		return b, fault.New(fault.Invalid, "missing_attribute")
	}
	return b, nil
}
