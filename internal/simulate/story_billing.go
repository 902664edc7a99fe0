package simulate

import (
	"time"

	"waybill/internal/events"
)

// billing is a Stripe subscription's life.
func (p *playwright) billing(at time.Time) []*letter {
	s := &subscription{id: p.id("sub_")}
	p.model.subscriptions = append(p.model.subscriptions, s)
	customer := p.id("cus_")
	life := []string{"incomplete", "active", "past_due", "active", "canceled"}
	life = life[:2+p.random.IntN(len(life)-1)]
	created, previous := at.Add(-time.Hour), ""
	var letters []*letter
	for i, status := range life {
		e := SubscriptionEvent{
			EventID: p.id("evt_"), Type: "customer.subscription.updated", Subscription: s.id, Customer: customer,
			Status: status, Previous: previous, Created: created.Add(time.Duration(i) * time.Minute), // one a second decides alone
		}
		switch {
		case i == 0:
			e.Type = "customer.subscription.created"
		case status == "canceled":
			e.Type = "customer.subscription.deleted"
		}
		at = at.Add(p.within(gap))
		r, err := p.cast.Stripe.Subscription(e, at)
		if err != nil {
			continue // cannot be: texts always encode
		}
		t := &told{id: events.NewEventID(events.Stripe, "test", events.KindStripe, e.EventID), status: status}
		s.events = append(s.events, t)
		letters = append(letters, &letter{told: t, request: &r, due: at})
		previous = status
	}
	if p.chance(p.weather.Reorder) {
		p.random.Shuffle(len(letters), func(i, j int) { letters[i].due, letters[j].due = letters[j].due, letters[i].due })
	}
	return letters
}
