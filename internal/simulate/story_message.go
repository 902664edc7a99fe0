package simulate

import (
	"time"

	"waybill/internal/events"
)

// inboundShare is how many messages and calls somebody else begins.
const inboundShare = 0.10

// message is an SMS or WhatsApp message.
func (p *playwright) message(t *Tenant, at time.Time) []*letter {
	if p.chance(inboundShare) {
		return p.inbound(t, at)
	}
	return p.outbound(t, at)
}

// inbound is a message that somebody writes to a tenant.
func (p *playwright) inbound(t *Tenant, at time.Time) []*letter {
	m := p.resource(t, messageRules, events.Twilio, events.Inbound)
	m.sid = p.id("SM")
	e := m.tell(events.NewEventID(events.Twilio, t.Account, events.KindMessage, m.sid), says{state: state{status: "received"}})
	return []*letter{callback(t.Inbound(m.sid, person(p.random), t.Number, "Yes, please."), e, at)}
}

// outbound is a message of a tenant.
func (p *playwright) outbound(t *Tenant, at time.Time) []*letter {
	o := pick(p, outlines, func(o *outline) int { return o.weight })
	s := sending{
		resource: p.resource(t, messageRules, events.Twilio, events.Outbound), accepted: "accepted", failed: state{"failed", "21211"}, id: p.id("SM"),
		send: events.Send{Channel: o.channel, Account: t.Account, From: t.Number, To: person(p.random)},
	}
	if o.channel == events.WhatsApp {
		s.send.To, s.send.From = "whatsapp:"+s.send.To, t.WhatsApp
	}
	s.callbacks = func(at time.Time) []*letter { return p.statuses(s.resource, &s.send, o, at) }
	return p.sent(&s, at)
}

// statuses are what Twilio reports of a message, and what a stranger does.
func (p *playwright) statuses(m *resource, send *events.Send, o *outline, at time.Time) []*letter {
	said := func(by *Tenant, s state) (Request, events.EventID) {
		return by.Status(m.sid, send.From, send.To, s.status, s.code),
			events.NewEventID(events.Twilio, by.Account, events.KindMessageStatus, m.sid, s.status, s.code)
	}
	var letters []*letter
	for _, s := range o.steps {
		at = at.Add(p.within(gap))
		r, id := said(m.tenant, s)
		letters = append(letters, callback(r, m.tell(id, says{state: s}), at))
	}
	letters = p.reordered(letters)
	if other, ok := p.stranger(m.tenant); ok {
		r, id := said(other, state{status: "read"})
		letters = append(letters, callback(r, m.strange(id, says{state: state{status: "read"}}), at))
	}
	return letters
}
