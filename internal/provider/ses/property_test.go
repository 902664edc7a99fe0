package ses_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/provider/ses"
)

// write encodes a value with the members of every object in any order, blanks
// between them, and members that nobody here knows.
func write(t *rapid.T, b *strings.Builder, v any) {
	blank := func() { b.WriteString(rapid.SampledFrom([]string{"", " ", "\n  "}).Draw(t, "blank")) }
	switch v := v.(type) {
	case object:
		names := make([]string, 0, len(v)+1)
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		names = rapid.Permutation(names).Draw(t, "order")
		if rapid.Bool().Draw(t, "extra") {
			names = slices.Insert(names, rapid.IntRange(0, len(names)).Draw(t, "at"), "x-new")
		}
		b.WriteByte('{')
		for i, name := range names {
			if i > 0 {
				b.WriteByte(',')
			}
			blank()
			fmt.Fprintf(b, "%q:", name)
			if name == "x-new" {
				b.WriteString(rapid.SampledFrom([]string{"null", "1e9", `"x"`, `["Bounce"]`, `{"eventType":"Bounce","mail":[]}`}).Draw(t, "value"))
				continue
			}
			blank()
			write(t, b, v[name])
		}
		b.WriteByte('}')
	case list:
		b.WriteByte('[')
		for i := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			write(t, b, v[i])
		}
		b.WriteByte(']')
	default:
		text, err := json.Marshal(v)
		require.NoError(t, err)
		b.Write(text)
	}
}

// canonical returns a message as encoding/json reads it, so that all objects
// and lists in it are of the types that write knows.
func canonical(t testing.TB, o object) object {
	t.Helper()
	var out object
	require.NoError(t, json.Unmarshal([]byte(text(t, o)), &out))
	return out
}

func TestOrderAndUnknownMembersChangeNothing(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		want, message := parse(t, s.message), canonical(t, s.message)
		rapid.Check(t, func(rt *rapid.T) {
			var b strings.Builder
			write(rt, &b, message)
			b.WriteString(rapid.SampledFrom([]string{"", "\n", "\r\n "}).Draw(rt, "end"))
			got, ignored, err := parseText(b.String())
			require.NoError(rt, err)
			require.Empty(rt, ignored)
			require.Empty(rt, cmp.Diff(want, got))
		})
	}
}

// A message that SNS delivers again, as itself or with another request, is the
// same event; another one, and another topic's, is another.
func TestEventIDs(t *testing.T) {
	t.Parallel()
	at := received
	id := func(topic, snsID string, s sample) events.EventID {
		at = at.Add(time.Minute)
		p, _, err := ses.Parse(&ses.Notification{TopicARN: topic, MessageID: snsID, Message: text(t, s.message), ReceivedAt: at})
		require.NoError(t, err)
		return p.EventID
	}
	all := samples()
	first := id(topic, "m1", all[0])
	require.Equal(t, first, id(topic, "m1", all[0]), "whenever it comes again")
	require.NotEqual(t, first, id(topic, "m2", all[2]), "two events of one e-mail")
	require.NotEqual(t, first, id(topic+"-2", "m1", all[0]), "nobody can spend another's id")
}

// An event that SES publishes twice, to two topics or in both formats, has two
// ids; it moves its e-mail once whatever happens, and nobody is told twice. A
// fact is counted twice.
func TestPublishedTwice(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		first, second := parse(t, s.message).Message, parse(t, feedback(s.message)).Message
		row, _ := email.Fold(email.Message{}, false, first)
		again, step := email.Fold(row, true, second)
		require.False(t, step.Transition, s.name)
		for name, f := range again.Facts {
			require.Equal(t, int64(2), f.Count, name)
		}
		row.Facts, again.Facts = nil, nil
		require.Empty(t, cmp.Diff(row, again), s.name)
	}
}

// One e-mail's events end in the same row in any order, and nobody's end is
// told of anybody else.
func TestRecipientsEndApart(t *testing.T) {
	t.Parallel()
	var told []*events.Message
	for _, e := range []object{
		event("Send", "send", object{}, mail(jane, bob, "mary@example.com")),
		delayedBy("MailboxFull", object{"emailAddress": bob}),
		event("Delivery", "delivery", object{"timestamp": eventAt, "recipients": list{jane}}, mail(jane, bob, "mary@example.com")),
		event("Delivery", "delivery", object{"timestamp": eventAt, "recipients": list{"Mary <Mary@Example.com>"}}, mail(jane, bob, "mary@example.com")),
		bounced("Permanent", "OnAccountSuppressionList", object{"emailAddress": bob, "status": "5.1.1"}),
		bounced("Permanent", "NoEmail", object{"emailAddress": "mary@example.com", "status": "5.1.1"}), // after it was taken
		complained("complaintFeedbackType", "abuse"),
	} {
		told = append(told, parse(t, e).Message)
	}
	rapid.Check(t, func(rt *rapid.T) {
		var row email.Message
		for i, m := range rapid.Permutation(told).Draw(rt, "order") {
			row, _ = email.Fold(row, i > 0, m)
		}
		require.Equal(rt, map[string]email.Recipient{
			jane:               {State: email.State{Status: "delivered"}},
			bob:                {State: email.State{Status: "bounced_permanent", ErrorCode: "on_account_suppression_list"}},
			"mary@example.com": {State: email.State{Status: "bounced_permanent", ErrorCode: "5.1.1"}},
		}, row.Recipients)
		require.Equal(rt, int64(1), row.Facts[facts.Complaints].Count)
	})
}
