package routertest

import (
	"slices"
	"time"

	"waybill/internal/events"
)

// span is a time in which something belonged to an organisation, as it was
// entered at a moment.
type span struct {
	org      events.OrgID // "" = every organisation, for accounts
	from, to time.Time    // zero = open
}

func (s span) covers(at time.Time) bool {
	return (s.from.IsZero() || !at.Before(s.from)) && (s.to.IsZero() || at.Before(s.to))
}

// book is who held senders and accounts, in one version.
type book struct {
	since    time.Time // when it was entered
	senders  map[string][]span
	accounts map[string][]span
}

// owner is whose an id is.
type owner struct {
	org    events.OrgID
	row    events.RowID
	sentAt time.Time
}

// written is a message that an organisation sent to a person.
type written struct {
	org            events.OrgID
	sender, person string
	at             time.Time
}

// world is what is true, told apart from how the product keeps it.
type world struct {
	books   []book // every version, the newest last
	owners  map[string]owner
	pairs   map[string]string // which other id a send record named with an id
	written []written
	shared  map[string]bool                 // senders that organisations share
	said    map[events.EventID]events.OrgID // whose an event is, by an operator's word
}

// event is what a provider told.
type event struct {
	id      events.EventID
	receipt events.ReceiptID
	inbound bool
	signer  string
	sid     string
	echo    string // "" = none
	number  string // ours
	person  string
	at      time.Time
}

func (e *event) ids() []string {
	if e.echo == "" {
		return []string{e.sid}
	}
	return []string{e.sid, e.echo}
}

// verdict is where an event goes, or why it is held.
type verdict struct {
	held   string // the reason; "" = it goes on
	org    events.OrgID
	row    events.RowID
	enters bool   // its SID becomes the organisation's
	by     string // "number" where nothing but the number told
}

// adoptAfter is how old a status must be to make its row.
const adoptAfter = 15 * time.Minute

// judge says where an event goes at a moment, by what a book said and, where
// that would hold it, by what an operator said.
func (w *world) judge(e *event, b *book, now time.Time) verdict {
	v := w.weigh(e, b, now)
	if org, ok := w.said[e.id]; ok && v.held != "" {
		return w.decreed(e, org)
	}
	return v
}

func (w *world) weigh(e *event, b *book, now time.Time) verdict {
	var known []owner
	for _, id := range e.ids() {
		if o, ok := w.owners[id]; ok {
			known = append(known, o)
		}
	}
	if len(known) > 0 {
		first, sent := known[0], time.Time{}
		torn := ""
		for _, o := range known {
			switch {
			case o.org != first.org:
				torn = "contradiction"
			case o.row != first.row && torn == "":
				torn = "other_row"
			}
			if sent.IsZero() || o.sentAt.Before(sent) {
				sent = o.sentAt
			}
		}
		if torn != "" {
			return verdict{held: torn}
		}
		if !b.maySign(e.signer, first.org, sent) {
			return verdict{held: "signer_not_entitled"}
		}
		_, sidKnown := w.owners[e.sid]
		return verdict{org: first.org, row: first.row, enters: !sidKnown && !e.inbound}
	}
	if !e.inbound && now.Sub(e.at) < adoptAfter {
		return verdict{held: "no_mapping"}
	}
	made := func(org events.OrgID, by string) verdict {
		if !b.maySign(e.signer, org, e.at) {
			return verdict{held: "signer_not_entitled"}
		}
		return verdict{org: org, row: events.DeriveRowID(org, events.Twilio, e.sid), enters: !e.inbound, by: by}
	}
	holders := b.holders(e.number, e.at)
	switch {
	case len(holders) == 1:
		return made(holders[0], "number")
	case len(holders) > 1 && e.person == "":
		return verdict{held: "no_conversation"}
	case len(holders) > 1:
		return w.answered(e, holders, made)
	}
	var only events.OrgID
	for _, s := range b.accounts[e.signer] {
		switch {
		case s.org == "":
			return verdict{held: "no_mapping"}
		case !s.covers(e.at):
		case only != "" && only != s.org:
			return verdict{held: "no_mapping"}
		default:
			only = s.org
		}
	}
	if only == "" {
		return verdict{held: "no_mapping"}
	}
	return made(only, "account")
}

// decreed says what an operator's word does: an id stays whose it is.
func (w *world) decreed(e *event, org events.OrgID) verdict {
	var known []owner
	for _, id := range e.ids() {
		if o, ok := w.owners[id]; ok {
			known = append(known, o)
		}
	}
	_, sidKnown := w.owners[e.sid]
	v := verdict{org: org, row: events.DeriveRowID(org, events.Twilio, e.sid), enters: !sidKnown && !e.inbound, by: "operator"}
	own := false
	for i := len(known) - 1; i >= 0; i-- { // the SID's row before the echo's
		if known[i].org == org {
			own, v.row = true, known[i].row
		}
	}
	if len(known) > 0 && !own {
		return verdict{held: "contradiction"}
	}
	return v
}

// answered says whom an answer to a shared number goes to.
func (w *world) answered(e *event, holders []events.OrgID, made func(events.OrgID, string) verdict) verdict {
	var newest time.Time
	var who []events.OrgID
	for _, m := range w.written {
		early, late := e.at.Add(-90*24*time.Hour), e.at.Add(5*time.Second)
		if m.sender != e.number || m.person != e.person || m.at.Before(early) || m.at.After(late) || !slices.Contains(holders, m.org) {
			continue
		}
		if m.at.After(newest) {
			newest, who = m.at, nil
		}
		if m.at.Equal(newest) && !slices.Contains(who, m.org) {
			who = append(who, m.org)
		}
	}
	switch len(who) {
	case 0:
		return verdict{held: "no_conversation"}
	case 1:
		return made(who[0], "conversation")
	}
	return verdict{held: "contradiction"}
}

func (b *book) maySign(account string, org events.OrgID, at time.Time) bool {
	return slices.ContainsFunc(b.accounts[account], func(s span) bool { return (s.org == "" || s.org == org) && s.covers(at) })
}

func (b *book) holders(number string, at time.Time) (orgs []events.OrgID) {
	for _, s := range b.senders[number] {
		if s.covers(at) && !slices.Contains(orgs, s.org) {
			orgs = append(orgs, s.org)
		}
	}
	return orgs
}

// newest returns the book that is in force.
func (w *world) newest() *book { return &w.books[len(w.books)-1] }

// recent returns the books that somebody may go by who was told of changes at
// most so long ago.
func (w *world) recent(now time.Time, lag time.Duration) []*book {
	var in []*book
	for i := range w.books {
		ended := i+1 < len(w.books) && w.books[i+1].since.Before(now.Add(-lag))
		if !ended {
			in = append(in, &w.books[i])
		}
	}
	return in
}

// change enters a new version of the book.
func (w *world) change(now time.Time, fn func(*book)) {
	old := w.newest()
	b := book{since: now, senders: map[string][]span{}, accounts: map[string][]span{}}
	for k, v := range old.senders {
		b.senders[k] = slices.Clone(v)
	}
	for k, v := range old.accounts {
		b.accounts[k] = slices.Clone(v)
	}
	fn(&b)
	w.books = append(w.books, b)
}

// send is what a campaign sender recorded.
type send struct {
	id             events.EventID
	org            events.OrgID
	sid, messageID string // one may be ""
	sender, person string
	at             time.Time
}

// record says what becomes of a send, and enters it.
func (w *world) record(s *send) verdict {
	var ids []string
	for _, id := range []string{s.sid, s.messageID} {
		if id != "" {
			ids = append(ids, id)
		}
	}
	row := events.DeriveRowID(s.org, events.Twilio, s.sid)
	if s.messageID != "" {
		row = events.RowID(s.messageID)
	}
	for i := len(ids) - 1; i >= 0; i-- {
		o, ok := w.owners[ids[i]]
		if !ok {
			continue
		}
		if o.org != s.org {
			return verdict{held: "taken_by_another_org"}
		}
		row = o.row
	}
	if len(ids) == 2 {
		for i, id := range ids {
			if with, ok := w.pairs[id]; ok && with != ids[1-i] {
				return verdict{held: "other_id_on_record"}
			}
		}
		w.pairs[ids[0]], w.pairs[ids[1]] = ids[1], ids[0]
	}
	for _, id := range ids {
		o, ok := w.owners[id]
		if !ok {
			o = owner{s.org, row, s.at}
		}
		if s.at.Before(o.sentAt) {
			o.sentAt = s.at
		}
		w.owners[id] = o
	}
	if w.shared[s.sender] {
		w.written = append(w.written, written{s.org, s.sender, s.person, s.at})
	}
	return verdict{org: s.org, row: row}
}
