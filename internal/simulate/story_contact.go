package simulate

import (
	"bytes"
	"strconv"
	"time"

	"waybill/internal/events"
)

// Shares of how contacts go, and how they are told.
const (
	abandonedShare = 0.2  // nobody answered
	recordedShare  = 0.7  // of those that an agent answered
	unrecordShare  = 0.1  // no contact record comes
	byTopicShare   = 0.5  // of the events, where the topic can sign; the others come by the API destination
	bothWaysShare  = 0.05 // by both: one event, told twice
	packedShare    = 0.5  // of Firehose's deliveries
	maxContacts    = 3    // of one delivery
)

// contacts are some contacts of a tenant, whose records come together.
func (p *playwright) contacts(t *Tenant, at time.Time) []*letter {
	var letters []*letter
	var all []*told
	var documents [][]byte
	for range 1 + p.random.IntN(maxContacts) {
		r, k := p.contact(t, at)
		letters = append(letters, p.contactEvents(r, k, at)...)
		if p.chance(unrecordShare) {
			continue
		}
		for n := range 1 + p.random.IntN(2) { // it is sent again when it changed
			updated := k.Ended.Add(time.Duration(1+n) * time.Minute)
			said := k.record()
			all = append(all, r.tell(events.NewEventID(events.Connect, t.Centre.Instance, events.KindContactRecord,
				k.ID, updated.UTC().Format(time.RFC3339Nano)), said))
			documents = append(documents, t.Centre.Record(k, updated))
		}
	}
	letters = p.reordered(letters)
	if len(documents) > 0 {
		due := latest(letters).Add(-p.within(gap)) // the last events may come behind it
		request := t.Centre.Records(p.uuid(), p.inRecords(documents), p.chance(packedShare), due)
		letters = append(letters, &letter{told: all, request: &request, due: due})
	}
	return letters
}

// inRecords puts documents into records: one each, or all in one, and an empty one.
func (p *playwright) inRecords(documents [][]byte) [][]byte {
	if p.chance(0.5) {
		return append(documents, nil)
	}
	return [][]byte{bytes.Join(documents, []byte("\n"))}
}

// contact makes up a contact and all that happens to it. Its times have whole
// seconds, as those of contact records do.
func (p *playwright) contact(t *Tenant, at time.Time) (*resource, *Contact) {
	r := p.resource(t, contactRules, events.Connect, events.Inbound)
	r.sid = p.uuid()
	began := at.Add(-time.Hour).Truncate(time.Second)
	after := func(from time.Time) time.Time { return from.Add(time.Duration(1+p.random.IntN(60)) * time.Second) }
	k := &Contact{ID: r.sid, Customer: person(p.random), System: t.Number, Queue: p.uuid(), Initiated: began, Connected: began}
	k.Queued = after(k.Connected)
	k.Ended = after(k.Queued)
	if !p.chance(abandonedShare) {
		k.Agent, k.Ended = k.Ended, after(k.Ended)
		if p.chance(recordedShare) {
			k.Recordings = []string{"simulated-recordings/" + r.sid + ".wav", "simulated-recordings/" + r.sid + ".webm"}[:1+p.random.IntN(2)]
		}
	}
	return r, k
}

// contactEvents are what EventBridge hands on of a contact, and what a stranger does.
func (p *playwright) contactEvents(r *resource, k *Contact, at time.Time) []*letter {
	var letters []*letter
	for _, s := range []struct {
		typ, status string
		at          time.Time
	}{
		{"INITIATED", "initiated", k.Initiated},
		{"CONNECTED_TO_SYSTEM", "initiated", k.Connected},
		{"QUEUED", "queued", k.Queued},
		{"CONNECTED_TO_AGENT", "in_progress", k.Agent},
		{"DISCONNECTED", "completed", k.Ended},
		{"COMPLETED", "completed", k.Ended},
	} {
		if s.at.IsZero() {
			continue
		}
		at = at.Add(p.within(gap))
		e := &ContactEvent{ID: p.uuid(), Type: s.typ, At: s.at, Pascal: p.chance(0.5)}
		letters = append(letters, p.contactEvent(r, r.tenant, k, e, s.status, at)...)
	}
	if other, ok := p.stranger(r.tenant); ok {
		e := &ContactEvent{ID: p.uuid(), Type: "COMPLETED", At: k.Ended}
		letters = append(letters, p.contactEvent(r, other, k, e, "completed", at)...)
	}
	return letters
}

// contactEvent is one event of a contact, as a tenant's instance tells it, by
// one way or by both: then it is one event, told twice.
func (p *playwright) contactEvent(r *resource, by *Tenant, k *Contact, e *ContactEvent, status string, at time.Time) []*letter {
	ways := p.byEveryWay(r, by, k, e, status, at)
	switch {
	case len(ways) == 1 || p.chance(bothWaysShare):
		return ways
	case p.chance(byTopicShare):
		return ways[1:]
	}
	return ways[:1]
}

// byEveryWay is one event of a contact by the API destination and, where the
// topic can sign, by the topic.
func (p *playwright) byEveryWay(r *resource, by *Tenant, k *Contact, e *ContactEvent, status string, at time.Time) []*letter {
	said := says{state: state{status: status}, agent: came(k.Agent, e.At), facts: k.lasted(e.At)}
	id := events.NewEventID(events.Connect, by.Centre.Instance, events.KindContact, e.ID)
	var t *told
	if by == r.tenant {
		t = r.tell(id, said)
	} else {
		t = r.strange(id, said)
	}
	body := by.Centre.Event(k, e)
	ways := []*letter{callback(by.Centre.ByAPI(body), t, at)}
	if by.Centre.Certificate != nil {
		ways = append(ways, callback(by.Centre.ByTopic(p.uuid(), body, at), t, at))
	}
	return ways
}

// record is what the contact's record tells.
func (k *Contact) record() says {
	said := says{state: state{status: "completed"}, agent: !k.Agent.IsZero(), facts: k.lasted(k.Ended)}
	for _, place := range k.Recordings {
		said.recordings = append(said.recordings, recording{
			id: place, status: "completed", location: place, seconds: int64(k.Ended.Sub(k.Agent).Seconds()),
		})
	}
	return said
}

// came tells whether a time had come by another.
func came(at, by time.Time) bool { return !at.IsZero() && !at.After(by) }

// lasted is how long the contact took, once it is over.
func (k *Contact) lasted(by time.Time) []fact {
	if !came(k.Ended, by) {
		return nil
	}
	return []fact{{"duration", strconv.Itoa(int(k.Ended.Sub(k.Connected).Seconds()))}}
}
