package events

import (
	"encoding/json"
	"fmt"
	"time"

	"waybill/internal/facts"
	"waybill/internal/fault"
)

// Message is one event about one message, SMS, WhatsApp or e-mail, resolved to
// its organisation: the body of a record on the messages topic. It is what a
// callback or a send record says, in Waybill's own words; providers are not
// told apart any more.
type Message struct {
	EventID    EventID   `json:"event_id"`
	Receipt    ReceiptID `json:"receipt_id"`
	Kind       Kind      `json:"kind"`
	Provider   Provider  `json:"provider"`
	Org        OrgID     `json:"org_id"`
	Row        RowID     `json:"row_id"`
	ResolvedBy string    `json:"resolved_by"` // which evidence decided: a constant of tenantmap

	ProviderID string    `json:"provider_id,omitempty"` // SM..., empty while intended
	MessageID  string    `json:"message_id,omitempty"`  // the sender's own id
	Account    string    `json:"account,omitempty"`
	Channel    Channel   `json:"channel"`
	Direction  Direction `json:"direction"`
	From       string    `json:"from,omitempty"`
	To         string    `json:"to,omitempty"`
	Service    string    `json:"service,omitempty"`      // messaging service
	Body       string    `json:"body,omitempty"`         // inbound only
	Media      []string  `json:"media,omitempty"`        // inbound only: URLs
	OptOutType string    `json:"opt_out_type,omitempty"` // inbound only: STOP, START or HELP where the provider says so
	CampaignID string    `json:"campaign_id,omitempty"`
	CustomerID string    `json:"customer_id,omitempty"`

	Status    string `json:"status"`               // "" = the event tells facts alone
	ErrorCode string `json:"error_code,omitempty"` // as given

	Recipients []Recipient  `json:"recipients,omitempty"` // e-mail: whom the event is about
	Facts      []facts.Fact `json:"facts,omitempty"`

	OccurredAt *time.Time `json:"occurred_at,omitempty"` // the provider's clock, if it sent one
	SentAt     *time.Time `json:"sent_at,omitempty"`     // send records: when the sender called the provider
	ReceivedAt time.Time  `json:"received_at"`

	Replay bool     `json:"-"`   // below what was applied: known ones are only published again
	Raw    Position `json:"raw"` // where the raw record lies
	Packed []byte   `json:"-"`   // the raw record itself, so that a held event can be replayed
}

// Recipient is one of those whom an event of an e-mail is about: the event's
// status holds for each of them.
type Recipient struct {
	Address   string `json:"address"`
	ErrorCode string `json:"error_code,omitempty"` // as given, of this recipient
}

// headerPacked carries the packed raw record beside the parsed body.
const headerPacked = "waybill_raw"

// Record returns the event as it stands on the messages topic.
func (m *Message) Record() (Record, error) {
	v, err := json.Marshal(m)
	if err != nil {
		return Record{}, fmt.Errorf("encoding message event: %w", err)
	}
	hs := attributes{
		id: string(m.EventID), source: "waybill/router", typ: TypeMessage,
		subject: string(m.Row), time: m.ReceivedAt, content: "application/json",
	}.headers(1)
	hs = append(hs, Header{headerPacked, m.Packed})
	return Record{Topic: TopicMessages, Key: DomainKey(m.Org, m.Row), Value: v, Headers: hs}, nil
}

// DecodeMessage reads a record of the messages topic. Errors are of class Invalid.
func DecodeMessage(r *Record) (Message, error) {
	var m Message
	if err := decode(r, &m, TypeMessage); err != nil {
		return m, err
	}
	m.Packed = packed(r)
	if m.EventID == "" || m.Org == "" || m.Row == "" || m.Receipt == "" {
		return m, fault.New(fault.Invalid, "missing_attribute")
	}
	return m, nil
}

// RawOf returns the raw record that a domain record carries, and the same
// packed; false if it carries none that can be read.
func RawOf(r *Record) (raw Record, bytes []byte, ok bool) {
	bytes = packed(r)
	raw, err := Unpack(bytes)
	return raw, bytes, err == nil
}

func packed(r *Record) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == headerPacked {
			return r.Headers[i].Value
		}
	}
	return nil
}

func decode(r *Record, into any, types ...string) error {
	if err := expect(r, types...); err != nil {
		return err
	}
	if err := json.Unmarshal(r.Value, into); err != nil {
		return fault.New(fault.Invalid, "undecodable") // the cause may quote the payload
	}
	return nil
}
