package tenantmap

import (
	"time"

	"waybill/internal/events"
)

// Decision is where an event goes. With Outcome empty it goes to Org and Row;
// otherwise it is held in that state for Reason.
type Decision struct {
	Outcome events.Outcome
	Org     events.OrgID
	Row     events.RowID
	By      string // which evidence decided
	Reason  string
}

// What decided.
const (
	ByResource     = "resource"
	ByEcho         = "echo"
	BySender       = "sender"
	ByConversation = "conversation"
	ByAccount      = "account"
)

// Why an event is held.
const (
	ReasonNoMapping      = "no_mapping"          // parked: nothing on record names an organisation yet
	ReasonNoConversation = "no_conversation"     // parked: of the organisations that share the sender none is known to have written to the person
	ReasonNotEntitled    = "signer_not_entitled" // quarantined: the signer does not hold the organisation that the id belongs to
	ReasonContradiction  = "contradiction"       // quarantined: two pieces of evidence name different organisations
	ReasonUnclaimed      = "unclaimed"           // dead: parked for longer than WAYBILL_PARK_MAX_AGE
)

// Resolve decides from evidence and facts, in this order: a known resource id
// if the signer is entitled to its organisation as of the time it was sent;
// for events that create rows also who held the sender at the event's time,
// and of several who wrote to the person last; then an account that belongs to
// one organisation alone.
func Resolve(e *Evidence, f *Facts) Decision {
	account := f.Accounts[AccountKey(e.Provider, e.Signer)]
	if d, ok := byResource(e, f, account); ok {
		return d
	}
	if !e.Creates {
		return Decision{Outcome: events.Parked, Reason: ReasonNoMapping}
	}
	if d, ok := bySender(e, f, account); ok {
		return d
	}
	if org, ok := onlyOrg(account, e.At); ok {
		return e.created(org, ByAccount)
	}
	return Decision{Outcome: events.Parked, Reason: ReasonNoMapping}
}

func byResource(e *Evidence, f *Facts, account Account) (Decision, bool) {
	var found Mapping
	var by string
	for _, k := range e.Resources {
		m, ok := f.Mappings[k]
		if !ok {
			continue
		}
		if by != "" && (m.Org != found.Org || m.Row != found.Row) {
			return quarantine(ReasonContradiction), true
		}
		// The provider's own id is named rather than the echo, and the earliest
		// time counts: the order of the evidence decides nothing.
		if by != ByResource {
			by = ByResource
			if k.Kind == KeyEcho {
				by = ByEcho
			}
		}
		if found.SentAt.IsZero() || !m.SentAt.IsZero() && m.SentAt.Before(found.SentAt) {
			found.SentAt = m.SentAt
		}
		found.Org, found.Row = m.Org, m.Row
	}
	if by == "" {
		return Decision{}, false
	}
	at := found.SentAt
	if at.IsZero() {
		at = e.At
	}
	if !account.Entitled(found.Org, at) {
		return quarantine(ReasonNotEntitled), true
	}
	return Decision{Org: found.Org, Row: found.Row, By: by}, true
}

func bySender(e *Evidence, f *Facts, account Account) (Decision, bool) {
	holders, known := holders(e, f)
	if !known {
		return Decision{}, false
	}
	var org events.OrgID
	by := BySender
	switch len(holders) {
	case 0:
		return quarantine(ReasonContradiction), true
	case 1:
		org = holders[0]
	default:
		last := lastToWrite(e, f, holders)
		switch len(last) {
		case 0:
			return Decision{Outcome: events.Parked, Reason: ReasonNoConversation}, true
		case 1:
			org, by = last[0], ByConversation
		default:
			return quarantine(ReasonContradiction), true
		}
	}
	if !account.Entitled(org, e.At) {
		return quarantine(ReasonNotEntitled), true
	}
	return e.created(org, by), true
}

func onlyOrg(a Account, at time.Time) (events.OrgID, bool) {
	var org events.OrgID
	for _, t := range a.Orgs {
		if !t.Covers(at) {
			continue
		}
		if org != "" && org != t.Org {
			return "", false
		}
		org = t.Org
	}
	return org, org != "" && len(a.Platform) == 0
}

func (e *Evidence) created(org events.OrgID, by string) Decision {
	return Decision{Org: org, Row: events.DeriveRowID(org, e.Provider, e.ProviderID), By: by}
}

func quarantine(reason string) Decision {
	return Decision{Outcome: events.Quarantined, Reason: reason}
}
