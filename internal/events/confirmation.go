package events

import (
	"encoding/json"
	"fmt"
	"time"

	"waybill/internal/fault"
)

// Confirmation is control work: the subscription of a registered SNS topic to
// Waybill is to be confirmed. Whoever does it builds the call from TopicARN and
// Token; no URL of a request is ever fetched.
type Confirmation struct {
	EventID    EventID   `json:"event_id"`
	Provider   Provider  `json:"provider"` // whose events the topic carries
	TopicARN   string    `json:"topic_arn"`
	Token      string    `json:"token"` // good for three days
	ReceivedAt time.Time `json:"received_at"`
}

// Record returns the work as it stands on the control topic.
func (c *Confirmation) Record() (Record, error) {
	v, err := json.Marshal(c)
	if err != nil {
		return Record{}, fmt.Errorf("encoding confirmation: %w", err)
	}
	return Record{
		Topic: TopicControl, Key: []byte(c.TopicARN), Value: v,
		Headers: attributes{
			id: string(c.EventID), source: "waybill/router", typ: TypeConfirmation,
			subject: c.TopicARN, time: c.ReceivedAt, content: "application/json",
		}.headers(0),
	}, nil
}

// DecodeConfirmation reads a record of the control topic. Errors are of class Invalid.
func DecodeConfirmation(r *Record) (Confirmation, error) {
	var c Confirmation
	if err := decode(r, &c, TypeConfirmation); err != nil {
		return c, err
	}
	if c.TopicARN == "" || c.Token == "" {
		return c, fault.New(fault.Invalid, "missing_attribute")
	}
	return c, nil
}
