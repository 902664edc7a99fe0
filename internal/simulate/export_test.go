package simulate

import (
	"context"
	"math/rand/v2"
	"time"

	"waybill/internal/events"
)

// Rehearsal is a run without a Waybill: stories that were told, each letter
// acknowledged once, to try the comparison on.
type Rehearsal struct{ run *run }

// Told is an event of a rehearsal.
type Told struct {
	ID           events.EventID
	Org          events.OrgID
	Row          events.RowID
	ProviderID   string
	MessageID    string
	Campaign     string
	Direction    events.Direction
	Status, Code string
	Times        int64
	Stranger     bool
	Subscription string // Stripe's id of it; then there is no row
}

// Rehearse tells so many stories.
func Rehearse(seed uint64, stories int, w Weather) *Rehearsal {
	o := &Options{Cast: NewCast(3, "https://hooks.example.com"), Weather: w, Seed: seed, Settle: 10 * time.Millisecond, Connections: 1}
	r := newRun(o)
	r.began = time.Now()
	p := &playwright{cast: &r.Cast, weather: w, random: rand.New(rand.NewPCG(seed, 1)), model: &r.model}
	for range stories {
		for _, l := range p.story(r.began) {
			if !l.forged() {
				l.told.accepted.Add(1)
			}
		}
	}
	return &Rehearsal{r}
}

// Told lists the events, each message's together.
func (r *Rehearsal) Told() (all []Told) {
	for _, m := range r.run.model.messages {
		about := Told{
			Org: m.tenant.Org, Row: m.row(), ProviderID: m.sid, MessageID: m.id, Campaign: m.campaign, Direction: m.direction,
		}
		add := func(list []*told, stranger bool) {
			for _, t := range list {
				e := about
				e.ID, e.Status, e.Code, e.Times, e.Stranger = t.id, t.status, t.code, t.accepted.Load(), stranger
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

// Campaigns returns the campaigns of the cast and whose they are.
func (r *Rehearsal) Campaigns() map[string]events.OrgID {
	out := map[string]events.OrgID{}
	for i := range r.run.Cast.Tenants {
		for _, id := range r.run.Cast.Tenants[i].Campaigns {
			out[id] = r.run.Cast.Tenants[i].Org
		}
	}
	return out
}

// Unsure makes an event one that was never acknowledged and may have been taken.
func (r *Rehearsal) Unsure(id events.EventID) {
	for _, m := range r.run.model.messages {
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
