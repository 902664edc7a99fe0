package voice

import (
	"time"

	"waybill/internal/events"
	"waybill/internal/facts"
)

// Call is the row of one call or contact. Every field but Version depends only
// on the set of events that were folded into it, not on their order.
type Call struct {
	Org events.OrgID
	ID  events.RowID

	// What describes the call; "" = not known. Where events differ the smallest
	// text wins, because that rule does not look at their order.
	Provider   events.Provider
	ProviderID string // CallSid or contact id
	ParentID   string // the provider's id of the call that this is a leg of
	Account    string
	Direction  events.Direction // outbound until an event says otherwise
	From, To   string

	// What only the sender knows: from send records alone.
	MessageID  string
	CampaignID string
	CustomerID string

	State           // follows from Reported and Facts, see Reached
	Version  int64  // accepted transitions so far, from 1
	Reported uint64 // Status.Bit of every status ever reported, late ones too
	Facts    facts.Known
	Origin   string // how we know of it: an Origin constant of events

	// Times, to the millisecond.
	SentAt     *time.Time // earliest; nil until a send record names it
	OccurredAt *time.Time // latest of the provider's clock; nil if it sends none
	ReceivedAt time.Time  // earliest
	LastAt     time.Time  // latest received

	Recordings map[string]Recording // by the provider's id of the recording; never modified, but replaced
}
