package status

import "time"

// The topics.
const (
	TopicMessages  = "waybill.status.messages.v1"
	TopicCalls     = "waybill.status.calls.v1"
	TopicCampaigns = "waybill.status.campaigns.v1" // compacted: the newest snapshot of each campaign stays
)

// Transition is an accepted change of (status, error code), as messages and
// calls have it. Ids other than the provider's are UUIDs; a text that does not
// apply is empty.
type Transition struct {
	EventID string `json:"-"` // the CloudEvents id, the same each time the event is published

	Org        string     `json:"org_id"`
	ID         string     `json:"id"`                    // of the row; unique within the organisation
	MessageID  string     `json:"message_id,omitempty"`  // as the sender named it in its send record
	ProviderID string     `json:"provider_id,omitempty"` // as the provider named it; empty while intended
	Channel    string     `json:"channel"`               // sms, whatsapp, email, voice
	CampaignID string     `json:"campaign_id,omitempty"`
	CustomerID string     `json:"customer_id,omitempty"`
	Status     string     `json:"status"`                // an open set, see docs/statuses.md
	ErrorCode  string     `json:"error_code,omitempty"`  // as the provider gave it
	ErrorClass string     `json:"error_class,omitempty"` // what the code means, in Waybill's words; an open set
	Version    int64      `json:"version"`               // of the row; from 1, one more with each transition
	OccurredAt *time.Time `json:"occurred_at,omitempty"` // by the provider's clock; nil where it tells no time
	ReceivedAt time.Time  `json:"received_at"`           // by Waybill's clock
}

// Message is what happened to a message.
type Message struct {
	Transition

	Recipients []Recipient `json:"recipients,omitempty"` // of an e-mail: where each stands now
}

// Recipient is one recipient of an e-mail. It has an id of its own and no address.
type Recipient struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	ErrorCode  string `json:"error_code,omitempty"`
	ErrorClass string `json:"error_class,omitempty"`
}

// Call is what happened to a call.
type Call struct {
	Transition
}

// Campaign is a snapshot of a campaign's numbers. A later one replaces it whole.
type Campaign struct {
	EventID string `json:"-"` // the CloudEvents id, the same each time the event is published

	Org         string           `json:"org_id"`
	ID          string           `json:"campaign_id"`
	Messages    int64            `json:"messages"`               // sum of Counters
	Counters    map[string]int64 `json:"counters"`               // messages by current status; those without messages are absent
	Reached     map[string]int64 `json:"reached"`                // messages that ever had the status, which may have come late
	Overdue     int64            `json:"overdue,omitempty"`      // messages that have been open for longer than a day
	CompletedAt *time.Time       `json:"completed_at,omitempty"` // when the campaign was complete; nil while it is not
	Version     int64            `json:"version"`                // of the campaign; grows, not always by one
	At          time.Time        `json:"at"`                     // when the numbers were read
}

// Open returns how many messages have a status that is not terminal. It may
// stay above zero for good: some carriers report nothing after "sent".
func (c *Campaign) Open() int64 {
	open := c.Messages
	for name, n := range c.Counters {
		if Terminal(name) {
			open -= n
		}
	}
	return open
}

// identity is what order and repeats are about.
type identity struct {
	org, row, campaign string
	version            int64
}

func (t *Transition) identity() identity {
	return identity{t.Org, t.ID, t.CampaignID, t.Version}
}

func (c *Campaign) identity() identity { return identity{c.Org, c.ID, c.ID, c.Version} }
