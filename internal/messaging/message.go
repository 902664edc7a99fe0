package messaging

import (
	"time"

	"waybill/internal/events"
)

// Message is the row of one message. Every field but Version depends only on
// the set of events that were folded into it, not on their order.
type Message struct {
	Org events.OrgID
	ID  events.RowID

	// What describes the message; "" = not known. Where events differ the
	// smallest text wins, because that rule does not look at their order.
	Provider   events.Provider
	ProviderID string
	Account    string
	Channel    events.Channel
	Direction  events.Direction
	From, To   string
	Service    string // messaging service
	Body       string // inbound only
	Media      []string

	// What only the sender knows: from send records alone.
	MessageID  string
	CampaignID string
	CustomerID string

	State          // the best report, see Join
	Version int64  // accepted transitions so far, from 1
	Reached uint64 // Status.Bit of every status ever reported, late ones too
	Origin  string // how we know of it: an Origin constant of events

	// Times, to the millisecond.
	SentAt     *time.Time // earliest; nil until a send record names it
	OccurredAt *time.Time // latest of the provider's clock; nil if it sends none
	ReceivedAt time.Time  // earliest
	LastAt     time.Time  // latest received
}
