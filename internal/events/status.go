package events

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Status is what campaign senders read on the status topics: one accepted
// transition of one message or call. It holds ids and no personal data.
type Status struct {
	Org        OrgID             `json:"org_id"`
	ID         RowID             `json:"id"`
	MessageID  string            `json:"message_id,omitempty"`
	ProviderID string            `json:"provider_id,omitempty"`
	Channel    Channel           `json:"channel"`
	CampaignID string            `json:"campaign_id,omitempty"`
	CustomerID string            `json:"customer_id,omitempty"`
	Status     string            `json:"status"`
	ErrorCode  string            `json:"error_code,omitempty"`
	ErrorClass string            `json:"error_class,omitempty"`
	Recipients []RecipientStatus `json:"recipients,omitempty"` // e-mail: every one of them, by id
	Version    int64             `json:"version"`              // +1 for each accepted transition of the row
	OccurredAt *time.Time        `json:"occurred_at,omitempty"`
	ReceivedAt time.Time         `json:"received_at"`
}

// RecipientStatus is where one recipient of an e-mail stands. The id is random
// and stays with the recipient: one made from the address could be found again
// by trying addresses.
type RecipientStatus struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	ErrorCode  string `json:"error_code,omitempty"`
	ErrorClass string `json:"error_class,omitempty"`
}

// EventID returns the CloudEvents id: the same each time the event is published.
func (s *Status) EventID() string {
	return DeriveID("status", string(s.Org), string(s.ID), strconv.FormatInt(s.Version, 10))
}

// Record returns the event as it stands on the status topic of its channel.
func (s *Status) Record() (Record, error) {
	v, err := json.Marshal(s)
	if err != nil {
		return Record{}, fmt.Errorf("encoding status event: %w", err)
	}
	topic, typ := TopicStatusMessages, TypeMessageStatus
	if s.Channel == Voice {
		topic, typ = TopicStatusCalls, TypeCallStatus
	}
	hs := attributes{
		id: s.EventID(), source: "waybill/worker", typ: typ,
		subject: string(s.ID), time: s.ReceivedAt, content: "application/json",
	}.headers(0)
	return Record{Topic: topic, Key: StatusKey(s.Org, string(s.ID)), Value: v, Headers: hs}, nil
}

// DecodeStatus reads a record of the status topics of messages and calls.
func DecodeStatus(r *Record) (Status, error) {
	var s Status
	err := decode(r, &s, TypeMessageStatus, TypeCallStatus)
	return s, err
}

// CampaignStatus is a snapshot of a campaign's numbers. The topic is compacted:
// the newest snapshot of each campaign stays.
type CampaignStatus struct {
	Org        OrgID            `json:"org_id"`
	CampaignID string           `json:"campaign_id"`
	Messages   int64            `json:"messages"` // sum of Counters
	Counters   map[string]int64 `json:"counters"` // messages by current status
	Reached    map[string]int64 `json:"reached"`  // messages that ever had the status
	// CompletedAt is when the last message got a terminal status; nil while
	// one is open, and again when another is sent.
	CompletedAt *time.Time `json:"completed_at,omitempty"`
	Overdue     int64      `json:"overdue"` // messages that are open for longer than a day
	Version     int64      `json:"version"`
	At          time.Time  `json:"at"`
}

// Record returns the snapshot as it stands on the status topic.
func (s *CampaignStatus) Record() (Record, error) {
	v, err := json.Marshal(s)
	if err != nil {
		return Record{}, fmt.Errorf("encoding campaign snapshot: %w", err)
	}
	hs := attributes{
		id:     DeriveID("campaign", string(s.Org), s.CampaignID, strconv.FormatInt(s.Version, 10)),
		source: "waybill/worker", typ: TypeCampaignStatus, subject: s.CampaignID, time: s.At, content: "application/json",
	}.headers(0)
	return Record{Topic: TopicStatusCampaigns, Key: StatusKey(s.Org, s.CampaignID), Value: v, Headers: hs}, nil
}

// DecodeCampaignStatus reads a record of the campaigns' status topic.
func DecodeCampaignStatus(r *Record) (CampaignStatus, error) {
	var s CampaignStatus
	err := decode(r, &s, TypeCampaignStatus)
	return s, err
}
