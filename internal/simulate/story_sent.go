package simulate

import (
	"time"

	"github.com/google/uuid"

	"waybill/internal/events"
)

// Shares of the ways to record a send.
const (
	togetherShare     = 0.20 // the send record comes at the time of the first callback
	intendedShare     = 0.10 // recorded before the provider was called, and again after it
	stillbornShare    = 0.02 // failed before the provider gave it an id
	anonymousShare    = 0.05 // the sender has no id of its own
	unassignedShare   = 0.05 // belongs to no campaign
	sendLead          = 150 * time.Millisecond
	earlyFrom, earlyD = time.Millisecond, 2 * time.Second // behind the last callback: from a race to a slow sender
)

// sending is how a sender's own records speak of what it sends.
type sending struct {
	resource *resource
	send     events.Send // what all records say
	accepted string      // status once the provider has it
	failed   state       // if the provider never takes it
	id       string      // the provider's
	// callbacks returns what the provider reports from a time on.
	callbacks func(at time.Time) []*letter
}

// sent is something that a tenant sends: its send records and its callbacks.
func (p *playwright) sent(s *sending, at time.Time) []*letter {
	r := s.resource
	r.id = uuid.NewString()
	if all := r.tenant.Campaigns[r.rules.channel]; !p.chance(unassignedShare) {
		r.campaign = all[p.random.IntN(len(all))]
	}
	s.send.Org, s.send.Provider, s.send.MessageID, s.send.CampaignID = r.tenant.Org, r.provider, r.id, r.campaign
	intended := state{status: events.Intended}
	if p.chance(stillbornShare) {
		return []*letter{s.record(intended, at), s.record(s.failed, at.Add(p.within(gap)))}
	}
	var letters []*letter
	switch {
	case p.chance(intendedShare):
		letters = append(letters, s.record(intended, at))
	case p.chance(anonymousShare):
		r.id, s.send.MessageID = "", ""
	}
	r.sid = s.id
	callbacks := s.callbacks(at.Add(sendLead))
	s.send.ProviderID, s.send.SentAt = s.id, &at
	recorded := at.Add(p.within(sendLead / 2))
	switch {
	case p.chance(p.weather.Early):
		recorded = latest(callbacks).Add(earlyFrom + p.within(earlyD))
	case p.chance(togetherShare):
		recorded = callbacks[0].due
	}
	letters = append(letters, s.record(state{status: s.accepted}, recorded))
	return append(letters, callbacks...)
}

// record is a send record, in one of its states.
func (s *sending) record(now state, at time.Time) *letter {
	send := s.send
	send.Status, send.ErrorCode = now.status, now.code
	said := says{state: now}
	if send.Channel == events.Email && send.To != "" {
		said.whom = []string{send.To}
	}
	t := s.resource.tell(send.ID(), said)
	return &letter{told: []*told{t}, record: record(&send, at), due: at}
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

func latest(letters []*letter) time.Time {
	var at time.Time
	for _, l := range letters {
		if l.due.After(at) {
			at = l.due
		}
	}
	return at
}
