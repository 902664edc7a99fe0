package consent

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"waybill/internal/events"
	"waybill/internal/facts"
)

// Decision is what one event says of one address's consent. Organisation,
// channel, sender and address together name what is decided.
type Decision struct {
	Channel  events.Channel
	Sender   string // number or messaging service, as the provider writes it; "" = every sender of the channel
	Address  string // the person's, as the provider writes it; e-mail in lower case
	OptedOut bool
	At       time.Time // when the event was received: UTC, to the millisecond
	Event    events.EventID
}

// Join returns which of two decisions about the same address and sender holds:
// the latest, then the one that opts out, then the one with the greater event
// id in byte order. It is commutative, associative and idempotent; the zero
// Decision gives way to every other.
func Join(a, b Decision) Decision {
	if compare(&a, &b) < 0 {
		return b
	}
	return a
}

func compare(a, b *Decision) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(bit(a.OptedOut), bit(b.OptedOut)), cmp.Compare(a.Event, b.Event))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Decisions returns what an event decides; nil for most. A message that
// somebody wrote, and an event of kind [events.KindConsent], decide by their
// keyword; an e-mail event by a bounce for good, a complaint or an unsubscription
// from everything, for each of the recipients that it is about.
func Decisions(e *events.Message) []Decision {
	if e.Channel == events.Email {
		return ofEmail(e)
	}
	optedOut, decided := Asked(e)
	if !decided {
		return nil
	}
	d := Decision{Channel: e.Channel, Sender: e.Service, Address: e.From, OptedOut: optedOut, At: events.Millis(e.ReceivedAt), Event: e.EventID}
	if d.Sender == "" {
		d.Sender = e.To
	}
	if d.Sender == "" || d.Address == "" {
		return nil
	}
	return []Decision{d}
}

const bouncedForGood = "bounced_permanent"

func ofEmail(e *events.Message) []Decision {
	if e.Status != bouncedForGood && !slices.ContainsFunc(e.Facts, optsOut) {
		return nil
	}
	var out []Decision
	for _, r := range e.Recipients {
		if address := strings.ToLower(strings.TrimSpace(r.Address)); address != "" {
			out = append(out, Decision{Channel: e.Channel, Address: address, OptedOut: true, At: events.Millis(e.ReceivedAt), Event: e.EventID})
		}
	}
	return out
}

// optsOut tells whether a fact says that somebody wants no more. Who gives up
// one topic of several still wants the others; what takes a complaint back is a
// fact of another name.
func optsOut(f facts.Fact) bool {
	return f.Name == facts.Complaints || f.Name == facts.Unsubscribes && f.Value == facts.Everything
}
