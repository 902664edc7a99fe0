package tenantmap

import (
	"slices"
	"strings"
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
	// Detail tells an operator what was found, in words without personal data:
	// which evidence names which organisation.
	Detail string
	// Enter: the event's ids are not all on record, and those of its kind are
	// entered for Org and Row, as of SentAt, before it goes on.
	Enter  bool
	SentAt time.Time
}

// What decided.
const (
	ByOperator     = "operator"
	ByResource     = "resource"
	ByEcho         = "echo"
	ByParent       = "parent"
	BySender       = "sender"
	ByConversation = "conversation"
	ByAccount      = "account"
)

// Why an event is held.
const (
	ReasonNoMapping      = "no_mapping"          // parked: nothing on record names an organisation yet
	ReasonNoConversation = "no_conversation"     // parked: of the organisations that share the sender none is known to have written to the person
	ReasonNotEntitled    = "signer_not_entitled" // quarantined: the signer does not hold the organisation that the evidence names
	ReasonContradiction  = "contradiction"       // quarantined: two pieces of evidence name different organisations
	ReasonUnclaimed      = "unclaimed"           // dead: parked for longer than WAYBILL_PARK_MAX_AGE
)

// Rule is one kind of evidence: it decides, or has nothing to say.
type Rule struct {
	Evidence string // what decides, in a person's words
	Makes    bool   // it may only tell whose a new row is
	decide   func(*Evidence, *Facts) (Decision, bool)
}

// rules are asked in this order; the first that has something to say decides.
// What is held stays held whatever those behind it would say: a known id that
// the signer may not touch is not saved by a number. Only an operator's word can
// free it.
var rules = []Rule{
	{"a known id, the provider's or our own echoed one, if the signer was entitled to its organisation when it was sent", false, byID},
	{"a known id of what it is a part of, such as the call that dialled this leg", false, byParent},
	{"who held the senders that it names, at its time; of several who share one, who wrote to the person last, within 90 days", true, bySender},
	{"a signing account that belonged to one organisation alone at its time", true, byAccount},
}

// Rules returns the rules in their order, for documentation.
func Rules() []Rule { return slices.Clone(rules) }

// Resolve decides from evidence and facts: a known id of the event's resource,
// if the signer was entitled to its organisation when it was sent; a known id of
// what it is a part of; and, for an event that may make a row, who held the
// sender at the event's time, of several the one that wrote to the person last,
// then an account of one organisation alone. What would be held goes where an
// operator said, if one did.
func Resolve(e *Evidence, f *Facts) Decision {
	d := e.byRules(f)
	if d.Outcome != "" {
		d = e.byOperator(f, d)
	}
	if d.Outcome == "" {
		d.Enter = PolicyOf(e.Kind).Enters && e.hasNewID(f)
	}
	return d
}

func (e *Evidence) byRules(f *Facts) Decision {
	mayMake := e.mayMake()
	for _, r := range rules {
		if r.Makes && !mayMake {
			continue
		}
		if d, ok := r.decide(e, f); ok {
			return d
		}
	}
	return Decision{Outcome: events.Parked, Reason: ReasonNoMapping}
}

// hasNewID tells whether the provider's id of the resource is not on record.
func (e *Evidence) hasNewID(f *Facts) bool {
	return slices.ContainsFunc(e.Resources, func(k Key) bool {
		_, known := f.Mappings[k]
		return k.Kind == KeyResource && !known
	})
}

// byOperator lets an operator settle what evidence left open or forbade. Even
// so no id leaves the organisation that it belongs to.
func (e *Evidence) byOperator(f *Facts, held Decision) Decision {
	org, ok := f.Assigned[e.Event]
	if !ok {
		return held
	}
	d := e.created(org, ByOperator)
	c := e.claims(e.Resources, f)
	if len(c) == 0 {
		return d
	}
	for i := range c {
		if c[i].Org == org {
			d.Row, d.SentAt = c[i].Row, earliest(c)
			return d
		}
	}
	return quarantine(ReasonContradiction, append(c, claim{ByOperator, Mapping{Org: org}}))
}

func byID(e *Evidence, f *Facts) (Decision, bool) {
	c := e.claims(e.Resources, f)
	if len(c) == 0 {
		return Decision{}, false
	}
	for i := range c {
		if c[i].Org != c[0].Org || c[i].Row != c[0].Row {
			return quarantine(ReasonContradiction, c), true
		}
	}
	return e.entitled(Decision{Org: c[0].Org, Row: c[0].Row, By: c[0].by, SentAt: earliest(c)}, f, c), true
}

// byParent lets a part make its row at once where the whole is known.
func byParent(e *Evidence, f *Facts) (Decision, bool) {
	c := e.claims(e.Parents, f)
	if len(c) == 0 {
		return Decision{}, false
	}
	for i := range c {
		c[i].by = ByParent
		if c[i].Org != c[0].Org {
			return quarantine(ReasonContradiction, c), true
		}
	}
	d := e.created(c[0].Org, ByParent)
	d.SentAt = earliest(c)
	return e.entitled(d, f, c), true
}

func bySender(e *Evidence, f *Facts) (Decision, bool) {
	holders, known := holders(e, f)
	if !known {
		return Decision{}, false
	}
	by := BySender
	if len(holders) > 1 {
		holders, by = lastToWrite(e, f, holders), ByConversation
		if len(holders) == 0 {
			return Decision{Outcome: events.Parked, Reason: ReasonNoConversation}, true
		}
	}
	if len(holders) != 1 {
		return quarantine(ReasonContradiction, e.heldBy(f)), true
	}
	return e.entitled(e.created(holders[0], by), f, []claim{{by, Mapping{Org: holders[0]}}}), true
}

func byAccount(e *Evidence, f *Facts) (Decision, bool) {
	account := f.Accounts[AccountKey(e.Provider, e.Signer)]
	var org events.OrgID
	for _, t := range account.Orgs {
		if !t.Covers(e.At) {
			continue
		}
		if org != "" && org != t.Org {
			return Decision{}, false
		}
		org = t.Org
	}
	if org == "" || len(account.Platform) > 0 {
		return Decision{}, false
	}
	return e.created(org, ByAccount), true
}

// created is the decision to make a row: an event that comes before anything
// else about its resource is as old as that.
func (e *Evidence) created(org events.OrgID, by string) Decision {
	return Decision{Org: org, Row: events.DeriveRowID(org, e.Provider, e.ProviderID), By: by, SentAt: e.At}
}

// entitled holds back a decision that the signer had no right to, as of the
// time that it names, else the event's.
func (e *Evidence) entitled(d Decision, f *Facts, c []claim) Decision {
	at := d.SentAt
	if at.IsZero() {
		at = e.At
	}
	if !f.Accounts[AccountKey(e.Provider, e.Signer)].Entitled(d.Org, at) {
		return quarantine(ReasonNotEntitled, c)
	}
	return d
}

// claim is one piece of evidence and what it names.
type claim struct {
	by string
	Mapping
}

// claims returns what is on record under some ids, sorted: the order in which
// a provider names them decides nothing. The provider's own id comes first.
func (e *Evidence) claims(ids []Key, f *Facts) []claim {
	var c []claim
	for _, k := range ids {
		m, ok := f.Mappings[k]
		if !ok {
			continue
		}
		by := ByResource
		if k.Kind == KeyEcho {
			by = ByEcho
		}
		c = append(c, claim{by, m})
	}
	slices.SortFunc(c, claim.compare)
	return c
}

func (c claim) compare(o claim) int {
	if c.by != o.by {
		return -strings.Compare(c.by, o.by) // "resource" before "echo"
	}
	return strings.Compare(string(c.Org)+string(c.Row), string(o.Org)+string(o.Row))
}

// heldBy returns who held the event's senders at its time.
func (e *Evidence) heldBy(f *Facts) []claim {
	var c []claim
	for _, k := range e.Senders {
		for _, t := range f.Senders[k] {
			if t.Covers(e.At) {
				c = append(c, claim{BySender, Mapping{Org: t.Org}})
			}
		}
	}
	slices.SortFunc(c, claim.compare)
	return slices.CompactFunc(c, func(a, b claim) bool { return a.compare(b) == 0 })
}

// earliest returns the earliest time at which what claims name was sent, zero
// if none is known.
func earliest(c []claim) time.Time {
	var at time.Time
	for i := range c {
		if t := c[i].SentAt; at.IsZero() || !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	return at
}

// maxClaims bounds the detail of a held event.
const maxClaims = 8

// quarantine holds an event for what claims name: "resource=<org>/<row> echo=<org>/<row>".
func quarantine(reason string, c []claim) Decision {
	words := make([]string, 0, len(c))
	for i := range c[:min(len(c), maxClaims)] {
		word := c[i].by + "=" + string(c[i].Org)
		if c[i].Row != "" {
			word += "/" + string(c[i].Row)
		}
		words = append(words, word)
	}
	return Decision{Outcome: events.Quarantined, Reason: reason, Detail: strings.Join(words, " ")}
}
