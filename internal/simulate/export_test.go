package simulate

import (
	"context"
	"math/rand/v2"
	"time"

	"waybill/internal/events"
)

// Rehearsal is a run without a Waybill: stories that were told, each letter
// acknowledged once, to try the comparison on.
type Rehearsal struct {
	run     *run
	letters []*letter
}

// ShortCertificate returns one that no verifier takes.
func ShortCertificate() (*Certificate, error) { return newCertificate(1024) }

// Draw draws from a mix.
func Draw(m Mix, random *rand.Rand) Part { return m.draw(random) }

// Told is an event of a rehearsal.
type Told struct {
	ID           events.EventID
	Org          events.OrgID
	Row          events.RowID
	Channel      events.Channel
	Campaign     string
	Status       string
	Times        int64
	Stranger     bool
	Subscription string // Stripe's id of it; then there is no row
}

// Letter is what was sent of a rehearsal: a request or a send record, and the
// ids of the events that it tells of.
type Letter struct {
	Request *Request
	Record  *events.Record
	IDs     []events.EventID
}

// Rehearse tells so many stories, signed with a certificate.
func Rehearse(seed uint64, stories int, w Weather, c *Certificate) *Rehearsal {
	o := &Options{
		Cast: NewCast(3, "https://hooks.example.com", c), Mix: Mix{Messages: 60, Emails: 20, Calls: 12, Contacts: 7, Billing: 3},
		Weather: w, Seed: seed, Settle: 10 * time.Millisecond, Connections: 1,
	}
	r := &Rehearsal{run: newRun(o)}
	r.run.began = time.Now()
	p := r.run.playwright(1, greetings)
	for range stories {
		for _, l := range p.story(r.run.began) {
			l.accepted()
			r.letters = append(r.letters, l)
		}
	}
	return r
}

// Letters lists what was sent, forged ones included.
func (r *Rehearsal) Letters() []Letter {
	all := make([]Letter, len(r.letters))
	for i, l := range r.letters {
		all[i] = Letter{Request: l.request, Record: l.record}
		for _, t := range l.told {
			all[i].IDs = append(all[i].IDs, t.id)
		}
	}
	return all
}

// Told lists the events, each resource's together.
func (r *Rehearsal) Told() (all []Told) {
	for _, m := range r.run.model.resources {
		about := Told{Org: m.tenant.Org, Row: m.row(), Channel: m.rules.channel, Campaign: m.campaign}
		add := func(list []*told, stranger bool) {
			for _, t := range list {
				e := about
				e.ID, e.Status, e.Times, e.Stranger = t.id, t.status, t.accepted.Load(), stranger
				all = append(all, e)
			}
		}
		add(m.events, false)
		add(m.strangers, true)
	}
	for _, s := range r.run.model.subscriptions {
		for _, t := range s.events {
			all = append(all, Told{ID: t.id, Status: t.status, Times: t.accepted.Load(), Subscription: s.id})
		}
	}
	return all
}

// Cast returns who plays.
func (r *Rehearsal) Cast() *Cast { return &r.run.Cast }

// Unsure makes an event one that was never acknowledged and may have been taken.
func (r *Rehearsal) Unsure(id events.EventID) {
	for _, m := range r.run.model.resources {
		for _, t := range m.events {
			if t.id == id {
				t.unsure.Store(t.accepted.Swap(0))
			}
		}
	}
}

// ForgedTaken pretends that a forged request was accepted.
func (r *Rehearsal) ForgedTaken() { r.run.tally.forgedTaken.Add(1) }

// Verify compares.
func (r *Rehearsal) Verify(ctx context.Context, ledger Ledger, log Log) (Report, error) {
	r.run.Ledger, r.run.Log = ledger, log
	report := r.run.report(time.Second)
	err := r.run.verify(ctx, &report)
	return report, err
}
