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

	// What it says of its object's status, if that is one of those kept: of a
	// subscription, or of another kind. At most one is set.
	Subscription *ObjectChange `json:"subscription,omitempty"`
	Payment      *ObjectChange `json:"payment,omitempty"`

	ReceivedAt time.Time `json:"received_at"`
	Raw        Position  `json:"raw"`
	Packed     []byte    `json:"-"` // the raw record itself
}

// The kinds of objects whose status is kept.
const (
	ObjectSubscription = "subscription"
	ObjectInvoice      = "invoice"
	ObjectCharge       = "charge"
	ObjectCheckout     = "checkout_session"
)

// ObjectChange is what an event says of the status of the object it is about.
type ObjectChange struct {
	Kind     string `json:"kind,omitempty"` // of a payment; a subscription needs none
	ID       string `json:"id"`             // sub_..., in_..., ch_..., cs_...
	Customer string `json:"customer,omitempty"`
	Status   string `json:"status"`
	Previous string `json:"previous,omitempty"` // the status before, if this event changed it
}

// About returns the kind of object whose status the event speaks of, and what
// it says; "" and nil for an event that speaks of none.
func (b *Billing) About() (kind string, said *ObjectChange) {
	switch {
	case b.Subscription != nil:
		return ObjectSubscription, b.Subscription
	case b.Payment != nil:
		return b.Payment.Kind, b.Payment
	}
	return "", nil
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
