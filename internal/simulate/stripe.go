package simulate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Stripe is a Stripe endpoint that is told of events.
type Stripe struct{ Secret string }

// SubscriptionEvent is what happened to a subscription, or to an invoice.
type SubscriptionEvent struct {
	EventID, Type, Subscription, Customer string // Subscription is the object's id
	Status, Previous                      string // Previous "" = the status did not change
	Created                               time.Time
}

// Subscription returns the webhook of a subscription event, signed at a time.
func (s Stripe) Subscription(e SubscriptionEvent, at time.Time) (Request, error) {
	object := "subscription"
	if strings.HasPrefix(e.Type, "invoice.") {
		object = "invoice"
	}
	data := map[string]any{"object": map[string]any{
		"id": e.Subscription, "object": object, "customer": e.Customer, "status": e.Status, "livemode": false,
	}}
	if e.Previous != "" {
		data["previous_attributes"] = map[string]any{"status": e.Previous}
	}
	body, err := json.Marshal(map[string]any{
		"id": e.EventID, "object": "event", "api_version": "2025-09-30.clover", "created": e.Created.Unix(),
		"livemode": false, "type": e.Type, "data": data,
	})
	if err != nil {
		return Request{}, fmt.Errorf("encoding a Stripe event: %w", err)
	}
	return s.Sign(body, at), nil
}

// Sign makes the webhook of any body, signed at a time as
// https://docs.stripe.com/webhooks/signature describes: hex of HMAC-SHA256,
// keyed with the endpoint's secret, over time, dot and body.
func (s Stripe) Sign(body []byte, at time.Time) Request {
	t := fmt.Sprint(at.Unix())
	mac := hmac.New(sha256.New, []byte(s.Secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return Request{
		Method: http.MethodPost, Path: "/api/webhooks/stripe", Body: body,
		Header: http.Header{
			"Content-Type":     {"application/json"},
			"Stripe-Signature": {"t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))},
		},
	}
}
