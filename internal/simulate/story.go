package simulate

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"waybill/internal/events"
)

// Shares of what is played besides outbound messages, and of the ways to
// record a send.
const (
	inboundShare      = 0.10
	stripeShare       = 0.01
	togetherShare     = 0.20 // the send record comes at the time of the first callback
	intendedShare     = 0.10 // recorded before the provider was called, and again after it
	stillbornShare    = 0.02 // failed before the provider gave it an id
	anonymousShare    = 0.05 // the sender has no id of its own
	unassignedShare   = 0.05 // belongs to no campaign
	sendLead          = 150 * time.Millisecond
	gap               = 300 * time.Millisecond // at most, between two callbacks of one message
	repeatWithin      = 2 * time.Second
	earlyFrom, earlyD = time.Millisecond, 2 * time.Second // behind the last callback: from a race to a slow sender
)

// letter is what is sent: a callback or a send record.
type letter struct {
	told    *told          // nil for a forged one
	request *Request       // of a callback
	record  *events.Record // of a send record
	due     time.Time
	next    time.Time // of the next attempt
	attempt int
}

// forged tells whether the letter has to be refused.
func (l *letter) forged() bool { return l.told == nil }

// playwright makes up stories. It is for one goroutine.
type playwright struct {
	cast    *Cast
	weather Weather
	random  *rand.Rand
	number  uint64 // of the last resource made up
	model   *model
}

// model is everything that was told.
type model struct {
	messages      []*message
	subscriptions []*subscription
}

func (p *playwright) chance(share float64) bool { return p.random.Float64() < share }

func (p *playwright) within(d time.Duration) time.Duration {
	return time.Duration(p.random.Int64N(int64(d)))
}

func (p *playwright) id(prefix string) string {
	p.number++
	return fmt.Sprintf("%s%s%016x", prefix, p.cast.Run, p.number)
}

// story makes up the next story, beginning at a time. Its letters are the
// callbacks and send records, in no order.
func (p *playwright) story(at time.Time) []*letter {
	var letters []*letter
	switch x := p.random.Float64(); {
	case x < stripeShare:
		letters = p.billing(at)
	case x < stripeShare+inboundShare:
		letters = p.inbound(p.tenant(), at)
	default:
		letters = p.outbound(at)
	}
	for _, l := range letters { // the range is over the first ones: repeats are not repeated
		letters = append(letters, p.repeated(l)...)
	}
	return append(letters, p.forgeries(letters)...)
}

func (p *playwright) tenant() *Tenant { return &p.cast.Tenants[p.random.IntN(len(p.cast.Tenants))] }

// repeated returns what comes again: of a callback the same bytes, of a send
// record the same facts under a receipt of its own.
func (p *playwright) repeated(l *letter) []*letter {
	if !p.chance(p.weather.Duplicate) {
		return nil
	}
	again := &letter{told: l.told, request: l.request, due: l.due.Add(p.within(repeatWithin))}
	if l.record != nil {
		s, err := events.DecodeSend(l.record)
		if err != nil {
			return nil // cannot be: it was made here
		}
		again.record = record(&s, again.due)
	}
	return []*letter{again}
}

// inbound is a message that somebody writes to a tenant.
func (p *playwright) inbound(t *Tenant, at time.Time) []*letter {
	m := &message{tenant: t, sid: p.id("SM"), direction: events.Inbound}
	r := t.Inbound(m.sid, person(p.random), t.Number, "Yes, please.")
	e := m.tell(events.NewEventID(events.Twilio, t.Account, events.KindMessage, m.sid), "received", "")
	p.model.messages = append(p.model.messages, m)
	return []*letter{{told: e, request: &r, due: at}}
}

func (m *message) tell(id events.EventID, status, code string) *told {
	for _, e := range m.events {
		if e.id == id {
			return e
		}
	}
	e := &told{id: id, status: status, code: code}
	m.events = append(m.events, e)
	return e
}

// outbound is a message of a tenant, its send records and its callbacks.
func (p *playwright) outbound(at time.Time) []*letter {
	m := &message{tenant: p.tenant(), id: uuid.NewString(), direction: events.Outbound}
	if !p.chance(unassignedShare) {
		m.campaign = m.tenant.Campaigns[p.random.IntN(len(m.tenant.Campaigns))]
	}
	p.model.messages = append(p.model.messages, m)
	o := p.outline()
	to := person(p.random)
	send := events.Send{
		Org: m.tenant.Org, Channel: o.channel, Provider: events.Twilio, Account: m.tenant.Account,
		MessageID: m.id, To: to, From: m.tenant.Number, CampaignID: m.campaign,
	}
	if o.channel == events.WhatsApp {
		send.To, send.From = "whatsapp:"+to, m.tenant.WhatsApp
	}
	if p.chance(stillbornShare) {
		failed := send
		failed.Status, failed.ErrorCode = "failed", "21211"
		return []*letter{p.send(m, send, events.Intended, at), p.send(m, failed, "failed", at.Add(p.within(gap)))}
	}
	m.sid = p.id("SM")
	var letters []*letter
	switch {
	case p.chance(intendedShare):
		letters = append(letters, p.send(m, send, events.Intended, at))
	case p.chance(anonymousShare):
		m.id, send.MessageID = "", ""
	}
	callbacks := p.callbacks(m, &send, o, at.Add(sendLead))
	send.ProviderID = m.sid
	recorded := at.Add(p.within(sendLead / 2))
	switch {
	case p.chance(p.weather.Early):
		recorded = last(callbacks).Add(earlyFrom + p.within(earlyD))
	case p.chance(togetherShare):
		recorded = callbacks[0].due
	}
	send.SentAt = &at
	letters = append(letters, p.send(m, send, "accepted", recorded))
	return append(letters, callbacks...)
}

// callbacks are what the provider reports of a message, and what a stranger does.
func (p *playwright) callbacks(m *message, send *events.Send, o *outline, at time.Time) []*letter {
	t := m.tenant
	var letters []*letter
	for _, s := range o.steps {
		at = at.Add(p.within(gap))
		r := t.Status(m.sid, send.From, send.To, s.status, s.code)
		e := m.tell(events.NewEventID(events.Twilio, t.Account, events.KindMessageStatus, m.sid, s.status, s.code), s.status, s.code)
		letters = append(letters, &letter{told: e, request: &r, due: at})
	}
	if p.chance(p.weather.Reorder) {
		p.random.Shuffle(len(letters), func(i, j int) { letters[i].due, letters[j].due = letters[j].due, letters[i].due })
	}
	if len(p.cast.Tenants) > 1 && p.chance(p.weather.CrossTenant) {
		letters = append(letters, p.stranger(m, send, at))
	}
	return letters
}

// stranger is a callback for a message that another organisation's account
// signs, and signs well.
func (p *playwright) stranger(m *message, send *events.Send, at time.Time) *letter {
	other := p.tenant()
	for other == m.tenant {
		other = p.tenant()
	}
	r := other.Status(m.sid, send.From, send.To, "read", "")
	e := &told{id: events.NewEventID(events.Twilio, other.Account, events.KindMessageStatus, m.sid, "read", ""), status: "read"}
	m.strangers = append(m.strangers, e)
	return &letter{told: e, request: &r, due: at}
}

func last(letters []*letter) time.Time {
	var at time.Time
	for _, l := range letters {
		if l.due.After(at) {
			at = l.due
		}
	}
	return at
}

// send is a send record of a message, in one of its states.
func (p *playwright) send(m *message, s events.Send, status string, at time.Time) *letter {
	s.Status = status
	return &letter{told: m.tell(s.ID(), status, s.ErrorCode), record: record(&s, at), due: at}
}

// record returns a send as it stands on its topic, under a fresh receipt.
func record(s *events.Send, at time.Time) *events.Record {
	s.Receipt, s.ReceivedAt = events.NewReceiptID(), events.Millis(at)
	rec, err := s.Record()
	if err != nil { // cannot be: texts and times always encode
		return &events.Record{Topic: events.TopicSends}
	}
	return &rec
}

// httpOK tells whether a status means that the request was taken.
func httpOK(status int) bool { return status/100 == 2 }
