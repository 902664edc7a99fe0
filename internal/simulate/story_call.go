package simulate

import (
	"strconv"
	"time"

	"waybill/internal/events"
)

// incomingShare is how many calls somebody makes to a tenant.
const incomingShare = 0.3

// phone is a call, in either direction.
func (p *playwright) phone(t *Tenant, at time.Time) []*letter {
	if p.chance(incomingShare) {
		return p.incoming(t, at)
	}
	o := pick(p, callOutlines, func(o *callOutline) int { return o.weight })
	c := &PhoneCall{SID: p.id("CA"), From: t.Number, To: person(p.random), Direction: "outbound-api"}
	s := sending{
		resource: p.resource(t, callRules, events.Twilio, events.Outbound), accepted: "queued", failed: state{"failed", "21211"}, id: c.SID,
		send: events.Send{Channel: events.Voice, Account: t.Account, From: c.From, To: c.To},
	}
	s.callbacks = func(at time.Time) []*letter {
		letters := p.progress(s.resource, c, o.steps, at)
		if o.recorded {
			letters = append(letters, p.recorded(s.resource, latest(letters))...)
		}
		letters = p.reordered(letters)
		if other, ok := p.stranger(t); ok {
			r, id, said := p.step(other, c, callCompleted, 99, at)
			letters = append(letters, callback(r, s.resource.strange(id, said), at))
		}
		return letters
	}
	return p.sent(&s, at)
}

// progress are the steps of a call.
func (p *playwright) progress(m *resource, c *PhoneCall, steps []callStep, at time.Time) []*letter {
	var letters []*letter
	for n, s := range steps {
		at = at.Add(p.within(gap))
		r, id, said := p.step(m.tenant, c, s, n, at)
		letters = append(letters, callback(r, m.tell(id, said), at))
	}
	return letters
}

// step is one step of a call, as a tenant's account tells it.
func (p *playwright) step(by *Tenant, c *PhoneCall, s callStep, n int, at time.Time) (Request, events.EventID, says) {
	said := says{state: s.says}
	progress := CallEvent{Status: s.said, Sequence: n, At: at, SIP: s.sip}
	if s.said == callCompleted.said {
		progress.Seconds, progress.Answered = p.seconds(), "human"
		said.facts = []fact{{"duration", strconv.Itoa(progress.Seconds)}, {"answered_by", progress.Answered}}
	}
	id := events.NewEventID(events.Twilio, by.Account, events.KindCall, c.SID, "call-progress-events", strconv.Itoa(n), s.said)
	return by.Progress(c, &progress), id, said
}

// seconds makes up how long something took.
func (p *playwright) seconds() int { return 1 + p.random.IntN(600) }

// recorded are the callbacks of a call's recording. That there is one shows
// that Twilio has the call, and no more than that.
func (p *playwright) recorded(m *resource, at time.Time) []*letter {
	rec, seconds := p.id("RE"), p.seconds()
	var letters []*letter
	for _, now := range []recording{{status: "in_progress"}, {status: "completed", seconds: int64(seconds)}} {
		at = at.Add(p.within(gap))
		now.id, now.location = rec, RecordingURL(rec)
		said := "in-progress"
		if now.seconds > 0 {
			said = now.status
		}
		id := events.NewEventID(events.Twilio, m.tenant.Account, events.KindRecording, rec, said)
		t := m.tell(id, says{state: state{status: "queued"}, recordings: []recording{now}})
		letters = append(letters, callback(m.tenant.Recorded(m.sid, rec, said, int(now.seconds)), t, at))
	}
	return letters
}

// incoming is a call to a tenant, who has it dialled on: the leg is a call of
// its own, of whoever has the first.
func (p *playwright) incoming(t *Tenant, at time.Time) []*letter {
	m := p.resource(t, callRules, events.Twilio, events.Inbound)
	m.sid = p.id("CA")
	c := &PhoneCall{SID: m.sid, From: person(p.random), To: t.Number, Direction: "inbound"}
	began := m.tell(events.NewEventID(events.Twilio, t.Account, events.KindCallInbound, m.sid), says{state: state{status: "ringing"}})
	letters := []*letter{callback(t.Incoming(c), began, at)}

	leg := p.resource(t, callRules, events.Twilio, events.Outbound)
	leg.sid = p.id("CA")
	l := &PhoneCall{SID: leg.sid, Parent: m.sid, From: c.From, To: person(p.random), Direction: "outbound-dial"}
	steps := []callStep{callInitiated, callRinging, callAnswered, callCompleted}
	letters = append(letters, p.progress(leg, l, steps, at)...)
	seconds, known := value(leg, "duration")
	if !known {
		return letters // cannot be: the last step has it
	}
	result := leg.tell(events.NewEventID(events.Twilio, t.Account, events.KindDial, leg.sid, "completed"),
		says{state: state{status: "completed"}, facts: []fact{{"duration", strconv.Itoa(seconds)}}})
	at = latest(letters)
	letters = append(letters, callback(t.Dialled(c, leg.sid, "completed", seconds), result, at))
	letters = append(letters, p.progress(m, c, []callStep{callCompleted}, at)...)
	return p.reordered(letters)
}

// value returns a number that was told of a resource.
func value(r *resource, name string) (int, bool) {
	for _, t := range r.events {
		for _, f := range t.facts {
			if n, err := strconv.Atoi(f.value); f.name == name && err == nil {
				return n, true
			}
		}
	}
	return 0, false
}
