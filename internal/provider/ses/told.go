package ses

import (
	"strings"

	"waybill/internal/facts"
)

// The statuses that SES's events come to; package email has their order.
const (
	sent             = "sent"
	delayed          = "delayed"
	delivered        = "delivered"
	bouncedTransient = "bounced_transient"
	bouncedPermanent = "bounced_permanent"
	rejected         = "rejected"
	renderingFailed  = "rendering_failed"
)

// Names of facts that only SES tells.
const (
	notSpam      = "not_spam"     // somebody took the e-mail out of the junk folder: no complaint
	resubscribes = "resubscribes" // somebody changed their subscriptions, and gave up none
)

// told is what one event tells.
type told struct {
	status string // "" = a fact alone
	code   string // why, a word of SES's
	whom   []recipient
	whole  bool // it is about the e-mail, whoever its recipients are
	fact   facts.Fact
	at     string
}

// readers has every event by its type.
var readers = map[string]func(*body) (told, string){
	"Send": func(b *body) (told, string) {
		return told{status: sent, whom: named(b.Mail.Destination), at: b.Mail.Timestamp}, ""
	},
	"Delivery": detail(func(b *body) *delivery { return b.Delivery }, func(d *delivery, _ *body) (told, string) {
		return told{status: delivered, whom: named(d.Recipients), at: d.Timestamp}, ""
	}),
	"Bounce":    detail(func(b *body) *bounce { return b.Bounce }, (*bounce).told),
	"Complaint": detail(func(b *body) *complaint { return b.Complaint }, (*complaint).told),
	"Reject": detail(func(b *body) *reject { return b.Reject }, func(r *reject, b *body) (told, string) {
		return told{status: rejected, code: word(r.Reason), whole: true, at: b.Mail.Timestamp}, ""
	}),
	// What its text says may quote the template's data.
	"Rendering Failure": detail(func(b *body) *struct{} { return b.Failure }, func(_ *struct{}, b *body) (told, string) {
		return told{status: renderingFailed, whole: true, at: b.Mail.Timestamp}, ""
	}),
	"DeliveryDelay": detail(func(b *body) *delay { return b.DeliveryDelay }, func(d *delay, _ *body) (told, string) {
		return told{status: delayed, code: word(d.Type), whom: d.Recipients, at: d.Timestamp}, ""
	}),
	"Open":  detail(func(b *body) *opened { return b.Open }, counted(facts.Opens)),
	"Click": detail(func(b *body) *opened { return b.Click }, counted(facts.Clicks)),
	"Subscription": detail(func(b *body) *subscription { return b.Subscription }, func(s *subscription, _ *body) (told, string) {
		return told{fact: s.fact(), at: s.Timestamp}, ""
	}),
}

// detail reads an event from the object that is named after its type.
func detail[T any](of func(*body) *T, read func(*T, *body) (told, string)) func(*body) (told, string) {
	return func(b *body) (told, string) {
		d := of(b)
		if d == nil {
			return told{}, invalidDetail
		}
		return read(d, b)
	}
}

func counted(fact string) func(*opened, *body) (told, string) {
	return func(o *opened, _ *body) (told, string) {
		return told{fact: facts.Fact{Name: fact}, at: o.Timestamp}, ""
	}
}

// bounces are the statuses of the types of bounces. Where SES could not find
// out why, the address may be good: nobody is opted out for it.
var bounces = map[string]string{
	"Permanent":    bouncedPermanent,
	"Transient":    bouncedTransient,
	"Undetermined": bouncedTransient,
}

// told classes a bounce by its type; its sub-type, known or not, is the code.
func (d *bounce) told(*body) (told, string) {
	status, ok := bounces[d.Type]
	if !ok {
		return told{}, invalidBounce
	}
	return told{status: status, code: word(d.SubType), whom: d.Recipients, at: d.Timestamp}, ""
}

// told reads a complaint. One with a sub-type is none about this e-mail: SES did
// not even send it, because of an earlier one.
func (d *complaint) told(*body) (told, string) {
	t := told{fact: facts.Fact{Name: facts.Complaints, Value: short(d.FeedbackType)}, whom: d.Recipients, at: d.Timestamp}
	if strings.EqualFold(t.fact.Value, "not-spam") {
		t.fact = facts.Fact{Name: notSpam}
	}
	if w := word(d.SubType); withheld[w] {
		t.status, t.code = bouncedPermanent, w
		if t.fact.Value == "" {
			t.fact.Value = w
		}
	}
	return t, ""
}

// preferences are what somebody wants to get of a contact list.
type preferences struct {
	UnsubscribeAll bool `json:"unsubscribeAll"`
	Topics         []struct {
		Name   string `json:"topicName"`
		Status string `json:"subscriptionStatus"`
	} `json:"topicSubscriptionStatus"`
}

// out returns the topics that somebody opted out of.
func (p *preferences) out() map[string]bool {
	topics := map[string]bool{}
	for _, t := range p.Topics {
		if t.Status == "OptOut" {
			topics[t.Name] = true
		}
	}
	return topics
}

// fact tells somebody who gave something up from somebody who did not.
func (s *subscription) fact() facts.Fact {
	if s.New.UnsubscribeAll {
		return facts.Fact{Name: facts.Unsubscribes, Value: facts.Everything}
	}
	before := s.Old.out()
	for topic := range s.New.out() {
		if !before[topic] {
			return facts.Fact{Name: facts.Unsubscribes}
		}
	}
	return facts.Fact{Name: resubscribes}
}
