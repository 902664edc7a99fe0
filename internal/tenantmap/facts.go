package tenantmap

import (
	"slices"
	"time"

	"waybill/internal/events"
)

// Mapping is a resource on record.
type Mapping struct {
	Org    events.OrgID
	Row    events.RowID
	SentAt time.Time // zero if not known
}

// Tenure is a time during which something belonged to an organisation: From
// inclusive, To exclusive. A zero From is the beginning, a zero To is open.
type Tenure struct {
	Org      events.OrgID
	From, To time.Time
	Shared   bool // a sender that others may hold at the same time
}

// Covers tells whether t lies in the tenure.
func (t Tenure) Covers(at time.Time) bool {
	return !at.Before(t.From) && (t.To.IsZero() || at.Before(t.To))
}

// Account is what an account may sign for: every organisation, or those that
// held it at a time.
type Account struct {
	Platform []Tenure // when it could sign for every organisation; Org is empty
	Orgs     []Tenure
}

// Entitled tells whether the account could sign for an organisation at a time.
func (a Account) Entitled(org events.OrgID, at time.Time) bool {
	for _, t := range a.Platform {
		if t.Covers(at) {
			return true
		}
	}
	for _, t := range a.Orgs {
		if t.Org == org && t.Covers(at) {
			return true
		}
	}
	return false
}

// bounded tells whether whom the account could sign for depends on the time.
func (a Account) bounded() bool {
	bound := func(t Tenure) bool { return !t.From.IsZero() || !t.To.IsZero() }
	return slices.ContainsFunc(a.Orgs, bound) || slices.ContainsFunc(a.Platform, bound)
}

// Conversation is when an organisation wrote to a person from a sender: the
// last KeptTimes times, the newest first. The last alone would not do: what is
// answered may be decided after the organisation has written again.
type Conversation struct {
	Org   events.OrgID
	Times []time.Time
}

// KeptTimes is how many times a conversation keeps.
const KeptTimes = 16

// lastUntil returns when the organisation wrote last, up to t. Sure is false if
// it may have written before all that is kept.
func (c *Conversation) lastUntil(t time.Time) (at time.Time, sure bool) {
	for _, at := range c.Times {
		if !at.After(t) {
			return at, true
		}
	}
	return time.Time{}, len(c.Times) < KeptTimes
}

// Facts are the records about the keys of a batch. A key that is absent is not
// on record.
type Facts struct {
	Mappings      map[Key]Mapping
	Senders       map[Key][]Tenure
	Conversations map[Key][]Conversation // of shared senders alone; one of each organisation
	Accounts      map[Key]Account
	Assigned      map[events.EventID]events.OrgID // what operators decided; looked up for what would be held
}

// NewFacts returns facts that hold nothing yet, with room for so many ids.
func NewFacts(ids int) Facts {
	return Facts{
		Mappings: make(map[Key]Mapping, ids), Senders: map[Key][]Tenure{},
		Conversations: map[Key][]Conversation{}, Accounts: map[Key]Account{},
	}
}

// has tells whether something is on record under a key already.
func (f *Facts) has(k Key) bool {
	switch k.Kind {
	case KeyAccount:
		_, ok := f.Accounts[k]
		return ok
	case KeySender:
		_, ok := f.Senders[k]
		return ok
	default:
		_, ok := f.Mappings[k]
		return ok
	}
}
