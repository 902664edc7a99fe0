package events

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// MessageStatus is what campaign senders read on the status topic: one
// accepted transition of one message. It holds ids and no personal data.
type MessageStatus struct {
	Org        OrgID      `json:"org_id"`
	ID         RowID      `json:"id"`
	MessageID  string     `json:"message_id,omitempty"`
	ProviderID string     `json:"provider_id,omitempty"`
	Channel    Channel    `json:"channel"`
	CampaignID string     `json:"campaign_id,omitempty"`
	CustomerID string     `json:"customer_id,omitempty"`
	Status     string     `json:"status"`
	ErrorCode  string     `json:"error_code,omitempty"`
	ErrorClass string     `json:"error_class,omitempty"`
	Version    int64      `json:"version"` // +1 for each accepted transition of the message
	OccurredAt *time.Time `json:"occurred_at,omitempty"`
	ReceivedAt time.Time  `json:"received_at"`
}

// EventID returns the CloudEvents id: the same each time the event is published.
func (s *MessageStatus) EventID() string {
	return DeriveID("status", string(s.Org), string(s.ID), strconv.FormatInt(s.Version, 10))
}

// Record returns the event as it stands on the status topic.
func (s *MessageStatus) Record() (Record, error) {
	v, err := json.Marshal(s)
	if err != nil {
		return Record{}, fmt.Errorf("encoding status event: %w", err)
	}
	hs := attributes{
		id: s.EventID(), source: "waybill/worker", typ: TypeMessageStatus,
		subject: string(s.ID), time: s.ReceivedAt, content: "application/json",
	}.headers(0)
	return Record{Topic: TopicStatusMessages, Key: StatusKey(s.Org, string(s.ID)), Value: v, Headers: hs}, nil
}

// DecodeMessageStatus reads a record of the status topic.
func DecodeMessageStatus(r *Record) (MessageStatus, error) {
	var s MessageStatus
	err := decode(r, TypeMessageStatus, &s)
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
	Version    int64            `json:"version"`
	At         time.Time        `json:"at"`
}

// CampaignSnapshot is a snapshot with the counter rows that it was read from.
type CampaignSnapshot struct {
	CampaignStatus
	Cells []CampaignCell
}

// CampaignCell is a counter row and the version that was read.
type CampaignCell struct {
	Shard   int
	Status  string
	Version int64
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
	err := decode(r, TypeCampaignStatus, &s)
	return s, err
}
