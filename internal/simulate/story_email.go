package simulate

import (
	"slices"
	"time"

	"waybill/internal/events"
)

// Shares of the events that an identity's feedback brings: it has bounces,
// complaints and deliveries, in a format of its own.
const (
	feedbackShare = 0.2  // in place of event publishing
	bothShare     = 0.05 // beside it: two notifications, and so two events
)

var fedBack = []string{"Bounce", "Complaint", "Delivery"}

// email is an e-mail of a tenant.
func (p *playwright) email(t *Tenant, at time.Time) []*letter {
	o := pick(p, emailOutlines, func(o *emailOutline) int { return o.weight })
	m := &Email{ID: p.id("01000000") + "-000000", From: "News <news@" + t.Mail.Identity + ">", Sent: at}
	for len(m.To) < o.recipients {
		if to := mailbox(p.random); !slices.Contains(m.To, to) {
			m.To = append(m.To, to)
		}
	}
	s := sending{
		resource: p.resource(t, emailRules, events.SES, events.Outbound), accepted: "sent", failed: state{"rejected", "message_rejected"}, id: m.ID,
		send: events.Send{Channel: events.Email, From: "news@" + t.Mail.Identity},
	}
	if len(m.To) == 1 { // a send record names one recipient
		s.send.To = m.To[0]
	}
	s.callbacks = func(at time.Time) []*letter { return p.notifications(s.resource, m, o, at) }
	return p.sent(&s, at)
}

// notifications are what SES reports of an e-mail, and what a stranger does.
func (p *playwright) notifications(r *resource, m *Email, o *emailOutline, at time.Time) []*letter {
	var letters []*letter
	for i := range o.steps {
		at = at.Add(p.within(gap))
		e := o.steps[i].EmailEvent
		e.At, e.Feedback = at, slices.Contains(fedBack, e.Type) && p.chance(feedbackShare)
		letters = append(letters, p.notification(r, r.tenant, m, &o.steps[i], &e))
		if !e.Feedback && slices.Contains(fedBack, e.Type) && p.chance(bothShare) {
			e.Feedback = true
			letters = append(letters, p.notification(r, r.tenant, m, &o.steps[i], &e))
		}
	}
	letters = p.reordered(letters)
	if other, ok := p.stranger(r.tenant); ok {
		late := bounced("Permanent", "General", "5.1.1", noSuchMailbox)
		late.At = at
		letters = append(letters, p.notification(r, other, m, &late, &late.EmailEvent))
	}
	return letters
}

// notification is one event of an e-mail, as a tenant's topic delivers it.
func (p *playwright) notification(r *resource, by *Tenant, m *Email, step *emailStep, e *EmailEvent) *letter {
	said := says{state: step.says, whom: step.of(m)}
	e.Whom = said.whom
	if step.fact != "" {
		said.whom, said.facts = nil, []fact{{name: step.fact}}
	}
	id := p.uuid()
	request := by.Mail.Event(id, m, e)
	event := events.NewEventID(events.SES, by.Mail.ARN, events.KindEmail, id)
	if by != r.tenant {
		return callback(request, r.strange(event, said), e.At)
	}
	return callback(request, r.tell(event, said), e.At)
}

// of returns whom a step is about: the recipients in its places, or all.
func (s *emailStep) of(m *Email) []string {
	if len(s.whom) == 0 {
		return m.To
	}
	whom := make([]string, len(s.whom))
	for i, at := range s.whom {
		whom[i] = m.To[at]
	}
	return whom
}
