package simulate

import (
	"time"

	"waybill/internal/events"
)

// lives are what may happen to a subscription or an invoice, each with the type
// of event that says so. A story stops anywhere after its second status.
var (
	subscriptionLife = []moment{
		{"customer.subscription.created", "incomplete"},
		{"customer.subscription.updated", "active"},
		{"customer.subscription.updated", "past_due"},
		{"customer.subscription.updated", "active"},
		{"customer.subscription.deleted", "canceled"},
	}
	invoiceLife = []moment{
		{"invoice.created", "draft"}, {"invoice.finalized", "open"}, {"invoice.marked_uncollectible", "uncollectible"}, {"invoice.paid", "paid"},
	}
)

type moment struct{ typ, status string }

// billing is the life of a Stripe subscription, or of an invoice.
func (p *playwright) billing(at time.Time) []*letter {
	s, life := &subscription{id: p.id("sub_")}, subscriptionLife
	if p.chance(0.5) {
		s, life = &subscription{id: p.id("in_")}, invoiceLife
	}
	p.model.subscriptions = append(p.model.subscriptions, s)
	customer := p.id("cus_")
	life = life[:2+p.random.IntN(len(life)-1)]
	created, previous := at.Add(-time.Hour), ""
	var letters []*letter
	for i, now := range life {
		e := SubscriptionEvent{
			EventID: p.id("evt_"), Type: now.typ, Subscription: s.id, Customer: customer,
			Status: now.status, Previous: previous, Created: created.Add(time.Duration(i) * time.Minute), // one a second decides alone
		}
		at = at.Add(p.within(gap))
		r, err := p.cast.Stripe.Subscription(e, at)
		if err != nil {
			continue // cannot be: texts always encode
		}
		t := &told{id: events.NewEventID(events.Stripe, "test", events.KindStripe, e.EventID), says: says{state: state{status: now.status}}}
		s.events = append(s.events, t)
		letters = append(letters, callback(r, t, at))
		previous = now.status
	}
	return p.reordered(letters)
}
