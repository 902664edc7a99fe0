package events

import (
	"encoding/json"
	"fmt"
	"time"

	"waybill/internal/facts"
	"waybill/internal/fault"
)

// Call is one event about one call or contact, resolved to its organisation:
// the body of a record on the calls topic.
type Call struct {
	EventID    EventID   `json:"event_id"`
	Receipt    ReceiptID `json:"receipt_id"`
	Kind       Kind      `json:"kind"`
	Provider   Provider  `json:"provider"`
	Org        OrgID     `json:"org_id"`
	Row        RowID     `json:"row_id"`
	ResolvedBy string    `json:"resolved_by"` // which evidence decided: a constant of tenantmap

	ProviderID string    `json:"provider_id,omitempty"` // CallSid or contact id, empty while intended
	MessageID  string    `json:"message_id,omitempty"`  // the sender's own id
	ParentID   string    `json:"parent_id,omitempty"`   // the provider's id of the call that this is a leg of
	Account    string    `json:"account,omitempty"`
	Direction  Direction `json:"direction"`
	From       string    `json:"from,omitempty"`
	To         string    `json:"to,omitempty"`
	CampaignID string    `json:"campaign_id,omitempty"`
	CustomerID string    `json:"customer_id,omitempty"`

	Status    string       `json:"status,omitempty"`     // "" = the event tells facts alone
	ErrorCode string       `json:"error_code,omitempty"` // as given
	Sequence  *int         `json:"sequence,omitempty"`   // Twilio's SequenceNumber: orders the timeline only
	Facts     []facts.Fact `json:"facts,omitempty"`
	Recording *Recording   `json:"recording,omitempty"`
	// MoreRecordings are the others, where one event tells of several.
	MoreRecordings []Recording `json:"more_recordings,omitempty"`

	OccurredAt *time.Time `json:"occurred_at,omitempty"` // the provider's clock, if it sent one
	SentAt     *time.Time `json:"sent_at,omitempty"`     // send records: when the sender called the provider
	ReceivedAt time.Time  `json:"received_at"`

	Replay bool     `json:"-"`   // below what was applied: known ones are only published again
	Raw    Position `json:"raw"` // where the raw record lies
	Packed []byte   `json:"-"`   // the raw record itself, so that a held event can be replayed
}

// Recording is what an event says of one recording of its call.
type Recording struct {
	ProviderID string     `json:"provider_id"` // RE..., or where a contact's recording lies
	Status     string     `json:"status"`
	ErrorCode  string     `json:"error_code,omitempty"`
	Duration   int64      `json:"duration_seconds,omitempty"`
	Channels   int        `json:"channels,omitempty"`
	Source     string     `json:"source,omitempty"`
	Track      string     `json:"track,omitempty"`
	Location   string     `json:"location,omitempty"` // a URL without credentials, or bucket and key
	StartedAt  *time.Time `json:"started_at,omitempty"`
}

// AllRecordings returns every recording that the event tells of.
func (c *Call) AllRecordings() []Recording {
	if c.Recording == nil {
		return c.MoreRecordings
	}
	return append([]Recording{*c.Recording}, c.MoreRecordings...)
}

// Record returns the event as it stands on the calls topic.
func (c *Call) Record() (Record, error) {
	v, err := json.Marshal(c)
	if err != nil {
		return Record{}, fmt.Errorf("encoding call event: %w", err)
	}
	hs := attributes{
		id: string(c.EventID), source: "waybill/router", typ: TypeCall,
		subject: string(c.Row), time: c.ReceivedAt, content: "application/json",
	}.headers(1)
	hs = append(hs, Header{headerPacked, c.Packed})
	return Record{Topic: TopicCalls, Key: DomainKey(c.Org, c.Row), Value: v, Headers: hs}, nil
}

// DecodeCall reads a record of the calls topic. Errors are of class Invalid.
func DecodeCall(r *Record) (Call, error) {
	var c Call
	if err := decode(r, &c, TypeCall); err != nil {
		return c, err
	}
	c.Packed = packed(r)
	if c.EventID == "" || c.Org == "" || c.Row == "" || c.Receipt == "" {
		return c, fault.New(fault.Invalid, "missing_attribute")
	}
	return c, nil
}
