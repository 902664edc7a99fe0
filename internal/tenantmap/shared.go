package tenantmap

import (
	"maps"
	"slices"
	"time"

	"waybill/internal/events"
)

const (
	// conversationLasts is for how long a person is taken to answer whoever
	// wrote last.
	conversationLasts = 90 * 24 * time.Hour
	// clockSkew is how far the clock of whoever records a send may be ahead of
	// ours: an answer must not seem to come before what it answers.
	clockSkew = 5 * time.Second
)

// holders returns the organisations that held, at the event's time, every
// sender of the event that anybody held then; known is false if nobody held
// any. A messaging service may be shared and the number in it be one's own.
func holders(e *Evidence, f *Facts) (orgs []events.OrgID, known bool) {
	for _, k := range e.Senders {
		var now []events.OrgID
		for _, t := range f.Senders[k] {
			if t.Covers(e.At) && !slices.Contains(now, t.Org) {
				now = append(now, t.Org)
			}
		}
		switch {
		case len(now) == 0:
		case !known:
			orgs, known = now, true
		default:
			orgs = slices.DeleteFunc(orgs, func(o events.OrgID) bool { return !slices.Contains(now, o) })
		}
	}
	return orgs, known
}

// lastToWrite returns which of the organisations wrote last to the event's
// person from one of its senders, before the event and not too long ago. None
// means nobody did; several did at the same moment, or nobody can tell any more.
func lastToWrite(e *Evidence, f *Facts, among []events.OrgID) (orgs []events.OrgID) {
	var newest time.Time
	for _, k := range e.Conversations() {
		for _, c := range f.Conversations[k] {
			at, sure := c.lastUntil(e.At.Add(clockSkew))
			switch {
			case !slices.Contains(among, c.Org):
			case !sure:
				return among
			case at.IsZero(), at.Before(e.At.Add(-conversationLasts)):
			case at.After(newest):
				newest, orgs = at, []events.OrgID{c.Org}
			case at.Equal(newest) && !slices.Contains(orgs, c.Org):
				orgs = append(orgs, c.Org)
			}
		}
	}
	return orgs
}

// Others returns the organisations beside org with a conversation between the
// event's senders and its person, however old, that the signer could sign for
// at the event's time, sorted: what the person asks of the sender concerns them.
func Others(e *Evidence, f *Facts, org events.OrgID) []events.OrgID {
	account := f.Accounts[AccountKey(e.Provider, e.Signer)]
	found := map[events.OrgID]bool{}
	for _, k := range e.Conversations() {
		for _, c := range f.Conversations[k] {
			if c.Org != org && account.Entitled(c.Org, e.At) {
				found[c.Org] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
