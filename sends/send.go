package sends

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"waybill/internal/events"
)

// The topic, and the CloudEvents type of its records.
const (
	Topic = "waybill.sends.v1"
	Type  = "waybill.send.v1"
)

// The channels.
const (
	SMS      = "sms"
	WhatsApp = "whatsapp"
	Email    = "email"
	Voice    = "voice"
)

// The providers.
const (
	Twilio  = "twilio"
	SES     = "ses"
	Connect = "connect"
)

// What a record says where [Send.Status] is left empty, and the status of a
// message that the provider refused.
const (
	StatusIntended = "intended" // without a provider id
	StatusAccepted = "accepted" // with one
	StatusFailed   = "failed"
)

// Send is the record of one message or call. Org, Channel, Provider and one of
// MessageID and ProviderID are needed. Ids other than the provider's are UUIDs;
// other texts have at most 320 bytes.
type Send struct {
	Org        string    `json:"org_id"`
	Channel    string    `json:"channel"`
	Provider   string    `json:"provider"`
	Account    string    `json:"account,omitempty"`     // the provider's account that sends, for example AC...
	ProviderID string    `json:"provider_id,omitempty"` // as the provider named the message; empty while intended
	MessageID  string    `json:"message_id,omitempty"`  // the sender's own; names the message in status events
	To         string    `json:"to,omitempty"`
	From       string    `json:"from,omitempty"`
	CampaignID string    `json:"campaign_id,omitempty"` // made when it is first named
	CustomerID string    `json:"customer_id,omitempty"` // made when it is first named
	Status     string    `json:"status,omitempty"`      // what the provider answered; empty: intended or accepted
	ErrorCode  string    `json:"error_code,omitempty"`  // as the provider gave it
	SentAt     time.Time `json:"sent_at,omitzero"`      // when the provider was called; zero: when it was recorded
}

// Accepted returns the record that the provider accepted the message under its
// own id.
func (s Send) Accepted(providerID string, at time.Time) Send {
	s.ProviderID, s.Status, s.SentAt = providerID, StatusAccepted, at
	return s
}

// Failed returns the record that the provider refused the message before it had
// an id, for a reason in the provider's words, or was not reached at all.
func (s Send) Failed(code string, at time.Time) Send {
	s.Status, s.ErrorCode, s.SentAt = StatusFailed, code, at
	return s
}

// ErrInvalid is what is wrong with a send that Waybill could never use. The
// error names every field at fault and quotes no value.
var ErrInvalid = errors.New("not a send record")

// Validate tells whether Waybill would take the record, by its own rules.
func (s Send) Validate() error {
	_, _, err := s.read()
	return err
}

// read returns the record as Waybill reads it, and the text that it reads.
func (s Send) read() (events.Send, []byte, error) {
	text, err := json.Marshal(s)
	if err != nil { // its only cause, which quotes the time
		return events.Send{}, nil, fmt.Errorf("%w: sent_at: want a year from 0 to 9999", ErrInvalid)
	}
	in, err := events.ParseSend(text)
	if err != nil {
		return events.Send{}, nil, fmt.Errorf("%w: %s", ErrInvalid, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return in, text, nil
}
