package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"waybill/internal/fault"
)

// Send is what a campaign sender records of one message: that it intends to
// send it (no provider id yet), that the provider accepted it, or that it
// failed before there was an id. The JSON names are promises to senders.
type Send struct {
	Org        OrgID      `json:"org_id"`
	Channel    Channel    `json:"channel"`
	Provider   Provider   `json:"provider"`
	Account    string     `json:"account,omitempty"`
	ProviderID string     `json:"provider_id,omitempty"`
	MessageID  string     `json:"message_id,omitempty"`
	To         string     `json:"to,omitempty"`
	From       string     `json:"from,omitempty"`
	CampaignID string     `json:"campaign_id,omitempty"`
	CustomerID string     `json:"customer_id,omitempty"`
	Status     string     `json:"status,omitempty"`
	ErrorCode  string     `json:"error_code,omitempty"`
	SentAt     *time.Time `json:"sent_at,omitempty"`

	Receipt    ReceiptID `json:"-"` // the record's CloudEvents id
	ReceivedAt time.Time `json:"-"` // the record's time
}

// maxSend bounds a send record, in bytes: far above what its fields can hold.
const maxSend = 64 << 10

// Intended is the status of a message that no provider has been asked to send.
const Intended = "intended"

// ParseSend reads a send record's JSON and brings it into its canonical form:
// ids spelled one way, the status filled in. The error says which field is
// wrong and never quotes a value.
func ParseSend(data []byte) (Send, error) {
	if len(data) > maxSend {
		return Send{}, fmt.Errorf("longer than %d bytes", maxSend)
	}
	// The times are read apart: encoding/json does not name the field of a bad one.
	var in struct {
		Send
		SentAt *string `json:"sent_at"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) && typ.Field != "" {
			return in.Send, fmt.Errorf("%s: want a JSON string", strings.TrimPrefix(typ.Field, "Send."))
		}
		return in.Send, errors.New("not one JSON object of a send record")
	}
	s := in.Send
	err := s.normalise()
	if in.SentAt != nil {
		at, terr := time.Parse(time.RFC3339, *in.SentAt)
		if terr != nil {
			return s, errors.Join(err, errors.New("sent_at: want a time as in RFC 3339, 2006-01-02T15:04:05Z"))
		}
		s.SentAt = &at
	}
	return s, err
}

func (s *Send) normalise() error {
	var errs []error
	bad := func(field, want string) { errs = append(errs, fmt.Errorf("%s: %s", field, want)) }

	org, err := ParseOrgID(string(s.Org))
	if err != nil {
		bad("org_id", err.Error())
	}
	s.Org = org
	ids := []struct {
		name string
		v    *string
	}{{"message_id", &s.MessageID}, {"campaign_id", &s.CampaignID}, {"customer_id", &s.CustomerID}}
	for _, id := range ids {
		if *id.v == "" {
			continue
		}
		if u, err := ParseUUID(*id.v); err != nil {
			bad(id.name, err.Error())
		} else {
			*id.v = u
		}
	}
	switch s.Channel {
	case SMS, WhatsApp, Email, Voice:
	default:
		bad("channel", "want sms, whatsapp, email or voice")
	}
	switch s.Provider {
	case Twilio, SES, Connect:
	default:
		bad("provider", "want twilio, ses or connect")
	}
	if s.MessageID == "" && s.ProviderID == "" {
		bad("message_id, provider_id", "one of them is needed")
	}
	for _, f := range []struct{ name, v string }{
		{"provider_id", s.ProviderID}, {"account", s.Account}, {"to", s.To}, {"from", s.From}, {"error_code", s.ErrorCode}, {"status", s.Status},
	} {
		if len(f.v) > 320 || bytes.IndexByte([]byte(f.v), 0) >= 0 {
			bad(f.name, "want at most 320 bytes without NUL")
		}
	}
	switch {
	case s.ProviderID == "" && s.Status == "":
		s.Status = Intended
	case s.Status == "":
		s.Status = "accepted"
	}
	return errors.Join(errs...)
}

// ID returns the event id of the record: the same record twice is one event.
func (s *Send) ID() EventID {
	id := s.MessageID
	if id == "" {
		id = s.ProviderID
	}
	return NewEventID(Sender, string(s.Org), KindSend, id, s.Status, s.ProviderID)
}

// Key returns the Kafka key of the record: the provider's id, or the sender's
// message id before there is one.
func (s *Send) Key() string {
	if s.ProviderID != "" {
		return s.ProviderID
	}
	return s.MessageID
}

// Record returns the send record as it stands on the sends topic.
func (s *Send) Record() (Record, error) {
	v, err := json.Marshal(s)
	if err != nil {
		return Record{}, fmt.Errorf("encoding send record: %w", err)
	}
	hs := attributes{
		id: string(s.Receipt), source: "waybill/sender", typ: TypeSend,
		time: s.ReceivedAt, content: "application/json",
	}.headers(0)
	return Record{Topic: TopicSends, Key: []byte(s.Key()), Value: v, Headers: hs}, nil
}

// DecodeSend reads a record of the sends topic. Senders may write it without
// CloudEvents headers: its receipt is then its position, its time the broker's.
func DecodeSend(r *Record) (Send, error) {
	s, err := ParseSend(r.Value)
	if err != nil {
		s = Send{} // nothing of it is to be trusted, not even as an id
	}
	s.Receipt = ReceiptOf(r)
	s.ReceivedAt = r.Time.UTC()
	if t, terr := recordTime(r); terr == nil {
		s.ReceivedAt = t
	}
	return s, fault.Wrap(fault.Invalid, "bad_send_record", err)
}

// ReceiptOf returns the receipt id of a raw or send record, always a UUID: its
// CloudEvents id, or one derived from it when that is something else, or from
// the record's position when its writer gave it none.
func ReceiptOf(r *Record) ReceiptID {
	if id := r.Header(headerID); id != "" {
		if u, err := ParseUUID(id); err == nil {
			return ReceiptID(u)
		}
		return ReceiptID(DeriveID("receipt", r.Header(headerSource), id))
	}
	return ReceiptID(DeriveID("receipt", r.Topic, fmt.Sprint(r.Partition), fmt.Sprint(r.Offset)))
}
