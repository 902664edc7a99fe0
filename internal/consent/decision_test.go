package consent_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"pgregory.net/rapid"

	"waybill/internal/consent"
	"waybill/internal/events"
	"waybill/internal/facts"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestDecisions(t *testing.T) {
	t.Parallel()
	late := noon.Add(1234567 * time.Nanosecond).In(time.FixedZone("", 3600))
	at := noon.Add(time.Millisecond)
	inbound := func(change func(*events.Message)) *events.Message {
		e := &events.Message{
			EventID: "e1", Kind: events.KindMessage, Channel: events.SMS, Direction: events.Inbound,
			From: "+12025550177", To: "+12025550101", Body: "Stop", Status: "received", ReceivedAt: late,
		}
		change(e)
		return e
	}
	email := func(change func(*events.Message)) *events.Message {
		e := &events.Message{
			EventID: "e2", Kind: events.KindEmail, Channel: events.Email, Direction: events.Outbound, From: "shop@example.com", ReceivedAt: late,
			Recipients: []events.Recipient{{Address: "Ann@Example.com "}, {Address: "bob@example.com", ErrorCode: "5.1.1"}, {}},
		}
		change(e)
		return e
	}
	bothOut := []consent.Decision{
		{Channel: events.Email, Address: "ann@example.com", OptedOut: true, At: at, Event: "e2"},
		{Channel: events.Email, Address: "bob@example.com", OptedOut: true, At: at, Event: "e2"},
	}
	complaint := func(value string) func(*events.Message) {
		return func(e *events.Message) {
			e.Facts = []facts.Fact{{Name: facts.Opens}, {Name: facts.Complaints, Value: value}}
		}
	}
	fact := func(name, value string) func(*events.Message) {
		return func(e *events.Message) { e.Facts = []facts.Fact{{Name: name, Value: value}} }
	}
	for _, c := range []struct {
		name string
		e    *events.Message
		want []consent.Decision
	}{
		{
			"a number", inbound(func(*events.Message) {}),
			[]consent.Decision{{Channel: events.SMS, Sender: "+12025550101", Address: "+12025550177", OptedOut: true, At: at, Event: "e1"}},
		},
		{
			"a messaging service", inbound(func(e *events.Message) { e.Service = "MG1" }),
			[]consent.Decision{{Channel: events.SMS, Sender: "MG1", Address: "+12025550177", OptedOut: true, At: at, Event: "e1"}},
		},
		{
			"WhatsApp", inbound(func(e *events.Message) {
				e.Channel, e.From, e.To, e.Body = events.WhatsApp, "whatsapp:+12025550177", "whatsapp:+12025550101", "START"
			}),
			[]consent.Decision{{Channel: events.WhatsApp, Sender: "whatsapp:+12025550101", Address: "whatsapp:+12025550177", At: at, Event: "e1"}},
		},
		{
			"a consent event", inbound(func(e *events.Message) { e.Kind, e.Body, e.OptOutType = events.KindConsent, "", "START" }),
			[]consent.Decision{{Channel: events.SMS, Sender: "+12025550101", Address: "+12025550177", At: at, Event: "e1"}},
		},
		{"no keyword", inbound(func(e *events.Message) { e.Body = "hello" }), nil},
		{"nobody", inbound(func(e *events.Message) { e.From = "" }), nil},
		{"to nothing", inbound(func(e *events.Message) { e.To = "" }), nil},
		{"a status callback", inbound(func(e *events.Message) { e.Kind = events.KindMessageStatus }), nil},
		{"a bounce for good", email(func(e *events.Message) { e.Status = "bounced_permanent" }), bothOut},
		{"a passing bounce", email(func(e *events.Message) { e.Status = "bounced_transient" }), nil},
		{"a complaint", email(complaint("abuse")), bothOut},
		{"a complaint without a type", email(complaint("")), bothOut},
		{"out of the junk folder", email(fact("not_spam", "")), nil},
		{"a bounce and no complaint", email(func(e *events.Message) { fact("not_spam", "")(e); e.Status = "bounced_permanent" }), bothOut},
		{"unsubscribed from everything", email(fact("unsubscribes", "all")), bothOut},
		{"unsubscribed from a topic", email(fact("unsubscribes", "")), nil},
		{"subscribed again", email(fact("resubscribes", "")), nil},
		{"a delivery", email(func(e *events.Message) { e.Status = "delivered" }), nil},
		{"an e-mail that says STOP", email(func(e *events.Message) { e.Kind, e.Body = events.KindMessage, "STOP" }), nil},
	} {
		require.Empty(t, cmp.Diff(c.want, consent.Decisions(c.e)), c.name)
	}
}

// TestProofJoin checks the three laws of a join, and what the join is for, for
// every pair and triple of decisions at three moments, either way, of three
// events, and none.
func TestProofJoin(t *testing.T) {
	t.Parallel()
	all := []consent.Decision{{}}
	for ms := range 3 {
		for _, out := range []bool{false, true} {
			for _, e := range []events.EventID{"a", "b", "c"} {
				all = append(all, consent.Decision{
					Channel: events.SMS, Sender: "s", Address: "p", OptedOut: out, At: noon.Add(time.Duration(ms) * time.Millisecond), Event: e,
				})
			}
		}
	}
	join, pairs, triples := consent.Join, 0, 0
	for _, a := range all {
		require.Equal(t, a, join(a, a), "idempotent")
		require.Equal(t, a, join(a, consent.Decision{}), "the zero decision gives way")
		for _, b := range all {
			ab := join(a, b)
			require.Equal(t, ab, join(b, a), "commutative")
			switch {
			case a.At.After(b.At):
				require.Equal(t, a, ab, "the latest holds")
			case a.At.Equal(b.At):
				require.Equal(t, a.OptedOut || b.OptedOut, ab.OptedOut, "a tie opts out")
			}
			pairs++
			for _, c := range all {
				require.Equal(t, join(ab, c), join(a, join(b, c)), "associative")
				triples++
			}
		}
	}
	t.Log(message.NewPrinter(language.English).Sprintf("consent: %d decisions, %d pairs, %d triples: all equal", len(all), pairs, triples))
}

// Any order and any repetition of the same messages ends in the same consent:
// what was said last, out where that is said twice at the same moment.
func TestProofAnyOrderEndsInTheSameConsent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *events.Message {
			return &events.Message{
				EventID: events.EventID(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "id")), Kind: events.KindMessage, Channel: events.SMS,
				From: "+12025550177", To: "+12025550101", Body: rapid.SampledFrom([]string{"STOP", "start", "quit", "hello"}).Draw(t, "body"),
				ReceivedAt: noon.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "ms")) * time.Millisecond),
			}
		}), 1, 8).Draw(t, "messages")
		fold := func(es []*events.Message) (d consent.Decision) {
			for _, e := range es {
				for _, next := range consent.Decisions(e) {
					d = consent.Join(d, next)
				}
			}
			return d
		}
		want := fold(said)
		again := rapid.SliceOfN(rapid.SampledFrom(said), 0, 4).Draw(t, "again")
		require.Equal(t, want, fold(rapid.Permutation(append(again, said...)).Draw(t, "order")))
		for _, e := range said {
			out, decided := consent.Asked(e)
			require.False(t, decided && e.ReceivedAt.After(want.At), "something later was said")
			require.False(t, decided && out && e.ReceivedAt.Equal(want.At) && !want.OptedOut, "a tie opted in")
		}
	})
}
