package email

import (
	"time"

	"waybill/internal/events"
	"waybill/internal/facts"
)

// Message is the row of one e-mail with those of its recipients. Every field but
// Version and the ids of recipients depends only on the set of events that were
// folded into it, not on their order.
type Message struct {
	Org events.OrgID
	ID  events.RowID

	// What describes the e-mail; "" = not known. Where events differ the
	// smallest text wins, because that rule does not look at their order.
	Provider   events.Provider
	ProviderID string
	Account    string
	From       string

	// What only the sender knows: from send records alone.
	MessageID  string
	CampaignID string
	CustomerID string

	Own        State                // the best report about the e-mail as a whole, so about all its recipients
	Recipients map[string]Recipient // by Address; Fold never modifies it in place
	State                           // follows from Own and Recipients: the worst of what the recipients came to

	Version int64       // accepted transitions so far, from 1
	Reached uint64      // Status.Bit of every status ever reported, of the e-mail or any of its recipients, late ones too
	Origin  string      // how we know of it: an Origin constant of events
	Facts   facts.Known // opens, clicks, complaints, unsubscribes; never modified in place

	// Times, to the millisecond.
	SentAt     *time.Time // earliest; nil until a send record names it
	OccurredAt *time.Time // latest of the provider's clock; nil if it sends none
	ReceivedAt time.Time  // earliest
	LastAt     time.Time  // latest received
}

// Recipient is one of those to whom an e-mail goes. Its state is the best report
// that named it: one about the e-mail as a whole is in Message.Own.
type Recipient struct {
	ID string // what status events call it; "" until the store sets it
	State
}
