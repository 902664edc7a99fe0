package simulate

import (
	"fmt"
	"math/rand/v2"
	"time"

	"waybill/internal/events"
)

const (
	gap          = 300 * time.Millisecond // at most, between two callbacks of one resource
	repeatWithin = 2 * time.Second
)

// letter is what is sent: a callback or a send record.
type letter struct {
	told    []*told        // none for a forged one; several where a request holds several events
	request *Request       // of a callback
	record  *events.Record // of a send record
	due     time.Time
	next    time.Time // of the next attempt
	attempt int
}

// forged tells whether the letter has to be refused.
func (l *letter) forged() bool { return len(l.told) == 0 }

// accepted and unsure take note that the letter was acknowledged, or may have
// been taken.
func (l *letter) accepted() {
	for _, t := range l.told {
		t.accepted.Add(1)
	}
}

func (l *letter) unsure(n int64) {
	for _, t := range l.told {
		t.unsure.Add(n)
	}
}

// playwright makes up stories. It is for one goroutine.
type playwright struct {
	cast    *Cast
	mix     Mix
	weather Weather
	random  *rand.Rand
	number  uint64 // of the last resource made up
	model   *model
}

func (p *playwright) chance(share float64) bool { return p.random.Float64() < share }

func (p *playwright) within(d time.Duration) time.Duration {
	return time.Duration(p.random.Int64N(int64(d)))
}

func (p *playwright) id(prefix string) string {
	p.number++
	return fmt.Sprintf("%s%s%016x", prefix, p.cast.Run, p.number)
}

// uuid makes up an id in the form of a UUID, as Amazon's are.
func (p *playwright) uuid() string {
	p.number++
	return fmt.Sprintf("%s-%s-4%s-a000-%012x", p.cast.Run[:8], p.cast.Run[8:12], p.cast.Run[13:], p.number)
}

// story makes up the next story, beginning at a time. Its letters are the
// callbacks and send records, in no order.
func (p *playwright) story(at time.Time) []*letter {
	var letters []*letter
	switch p.mix.draw(p.random) {
	case Billing:
		letters = p.billing(at)
	case Emails:
		letters = p.email(p.tenant(), at)
	case Calls:
		letters = p.phone(p.tenant(), at)
	case Contacts:
		letters = p.contacts(p.tenant(), at)
	case Messages:
		letters = p.message(p.tenant(), at)
	}
	for _, l := range letters { // the range is over the first ones: repeats are not repeated
		letters = append(letters, p.repeated(l)...)
	}
	return append(letters, p.forgeries(letters)...)
}

func (p *playwright) tenant() *Tenant { return &p.cast.Tenants[p.random.IntN(len(p.cast.Tenants))] }

// stranger returns another tenant, if the weather has it that one meddles.
func (p *playwright) stranger(t *Tenant) (*Tenant, bool) {
	if len(p.cast.Tenants) < 2 || !p.chance(p.weather.CrossTenant) {
		return nil, false
	}
	other := p.tenant()
	for other == t {
		other = p.tenant()
	}
	return other, true
}

// resource makes up a resource of a tenant.
func (p *playwright) resource(t *Tenant, r *rules, provider events.Provider, d events.Direction) *resource {
	m := &resource{tenant: t, rules: r, provider: provider, direction: d}
	p.model.resources = append(p.model.resources, m)
	return m
}

// reordered lets callbacks come in any order, if the weather has it so.
func (p *playwright) reordered(letters []*letter) []*letter {
	if p.chance(p.weather.Reorder) {
		p.random.Shuffle(len(letters), func(i, j int) { letters[i].due, letters[j].due = letters[j].due, letters[i].due })
	}
	return letters
}

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

// callback is a letter with one event.
func callback(r Request, t *told, due time.Time) *letter {
	return &letter{told: []*told{t}, request: &r, due: due}
}

// httpOK tells whether a status means that the request was taken.
func httpOK(status int) bool { return status/100 == 2 }
