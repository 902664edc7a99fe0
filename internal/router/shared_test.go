package router_test

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/consent"
	"waybill/internal/events"
)

const (
	sharedNumber = "+15550100005"
	ann          = "+12025550177"
	platform     = "AC000000000000000000000000000000ff" // signs for everybody
)

// newSharedRig is a rig whose two organisations share a number.
func newSharedRig(t *testing.T) *rig {
	t.Helper()
	g := newRig(t)
	g.exec("INSERT INTO accounts (id, provider, name, platform) VALUES ($1, 'twilio', $2, true)", uuid.NewString(), platform)
	g.share(g.orgA, 1)
	g.share(g.orgB, 2)
	return g
}

func (g *rig) share(org events.OrgID, slot int) {
	g.t.Helper()
	g.exec(`INSERT INTO senders (id, org_id, kind, value, shared, slot, valid)
		VALUES ($1, $2, 'number', $3, true, int8range($4, $4, '[]'), tstzrange(NULL, NULL))`, uuid.NewString(), org, sharedNumber, slot)
}

// wrote records what an organisation sent to a person so long ago, and waits
// until it went through.
func (g *rig) wrote(org events.OrgID, n int, to string, ago time.Duration, change ...func(*events.Send)) {
	g.t.Helper()
	at := time.Now().Add(-ago)
	s := events.Send{
		Org: org, Channel: events.SMS, Provider: events.Twilio, ProviderID: sid(n), Status: "accepted", From: sharedNumber, To: to, SentAt: &at,
		Receipt: events.NewReceiptID(), ReceivedAt: time.Now(),
	}
	for _, fn := range change {
		fn(&s)
	}
	rec, err := s.Record()
	require.NoError(g.t, err)
	g.publish(rec)
}

// said is what Ann writes to the shared number.
func said(n int, body string, extra ...string) events.Record {
	form := url.Values{
		"MessageSid": {sid(n)}, "AccountSid": {platform}, "From": {ann}, "To": {sharedNumber}, "Body": {body}, "SmsStatus": {"received"},
		"FromCity": {"SPRINGFIELD"}, "MediaUrl0": {"https://media.example.com/secret"},
	}
	for i := 0; i < len(extra); i += 2 {
		form.Set(extra[i], extra[i+1])
	}
	return raw(platform, events.KindMessage, sid(n), form)
}

// of takes so many events and returns those of a kind, by organisation.
func (g *rig) of(kind events.Kind, n int) map[events.OrgID]events.Message {
	g.t.Helper()
	out := map[events.OrgID]events.Message{}
	for range n {
		if m := next(g, g.messages); m.Kind == kind {
			out[m.Org] = m
		}
	}
	return out
}

const consents = "waybill_router_consents_total"

func TestAnAnswerGoesToWhoeverWroteLast(t *testing.T) {
	t.Parallel()
	g := newSharedRig(t)
	g.publish(said(1, "hello?"))
	g.held(events.Parked, "no_conversation")
	g.wrote(g.orgA, 11, "+12025550188", time.Hour) // to somebody else
	g.of(events.KindSend, 1)
	g.wrote(g.orgA, 12, ann, time.Hour)
	m := g.of(events.KindMessage, 2)[g.orgA]
	require.Equal(t, "conversation", m.ResolvedBy)
	require.Equal(t, "hello?", m.Body)
	g.held(events.Parked)

	g.wrote(g.orgB, 13, ann, time.Minute)
	g.of(events.KindSend, 1)
	g.publish(said(2, "and you?"))
	require.Equal(t, "and you?", g.of(events.KindMessage, 1)[g.orgB].Body)
	g.wrote(g.orgA, 14, ann, time.Second)
	g.of(events.KindSend, 1)
	g.publish(said(3, "you again"))
	require.Equal(t, "you again", g.of(events.KindMessage, 1)[g.orgA].Body)
	require.Zero(t, g.counter(consents), "only a request concerns the others")

	// What never went out is not answered.
	g.wrote(g.orgB, 15, ann, 0, func(s *events.Send) { s.Status = "failed" })
	g.of(events.KindSend, 1)
	g.publish(said(4, "still you"))
	require.Equal(t, "still you", g.of(events.KindMessage, 1)[g.orgA].Body)
}

func TestASenderMayLeaveOutTheChannelsPrefix(t *testing.T) {
	t.Parallel()
	g := newSharedRig(t)
	g.exec("UPDATE senders SET value = 'whatsapp:' || value, kind = 'whatsapp'")
	g.wrote(g.orgB, 11, "+1 202 555 0177", time.Hour, func(s *events.Send) { s.Channel = events.WhatsApp })
	g.of(events.KindSend, 1)
	g.publish(said(1, "hi", "From", "whatsapp:"+ann, "To", "whatsapp:"+sharedNumber))
	require.Equal(t, events.WhatsApp, g.of(events.KindMessage, 1)[g.orgB].Channel)
}

// STOP reaches every organisation that wrote from the number, and nothing but
// the word does: not to those that never wrote, not to those for which the
// account may not speak.
func TestStopAtASharedNumberConcernsEveryoneThatWrote(t *testing.T) {
	t.Parallel()
	g := newSharedRig(t)
	silent := events.OrgID(uuid.NewString())
	g.exec("INSERT INTO organizations (id, name) VALUES ($1, 'silent')", silent)
	g.share(silent, 3)
	g.wrote(g.orgA, 11, ann, 100*24*time.Hour) // too long ago to be answered
	g.wrote(g.orgB, 12, ann, time.Minute)
	g.of(events.KindSend, 2)
	for i, c := range []struct {
		body, optOut, word string
		optedOut           bool
	}{
		{" Stop\n", "", "STOP", true},
		{"unstop", "", "UNSTOP", false},
		{"basta, my doctor is Dr. Jones", "STOP", "", true},
		{"yes", "STOP", "YES", true},
	} {
		record := said(20+i, c.body, "OptOutType", c.optOut)
		g.publish(record)
		var got []events.Message
		for range 2 {
			got = append(got, next(g, g.messages))
		}
		slices.SortFunc(got, func(a, b events.Message) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
		told, message := got[0], got[1]
		require.Equal(t, events.KindMessage, message.Kind)
		require.Equal(t, g.orgB, message.Org)
		require.Equal(t, c.body, message.Body)
		require.Equal(t, c.optOut, message.OptOutType)

		require.Equal(t, events.Message{
			EventID: events.EventID("twilio/" + platform + "/consent/" + sid(20+i) + ":" + string(g.orgA)), Receipt: message.Receipt,
			Kind: events.KindConsent, Provider: events.Twilio, Org: g.orgA, Row: events.DeriveRowID(g.orgA, events.Twilio, sid(20+i)),
			ResolvedBy: "conversation", ProviderID: sid(20 + i), Account: platform, Channel: events.SMS, Direction: events.Inbound,
			From: ann, To: sharedNumber, Body: c.word, OptOutType: c.optOut, Status: "received",
			ReceivedAt: message.ReceivedAt, Raw: message.Raw,
		}, told)
		whole, err := told.Record()
		require.NoError(t, err)
		for _, secret := range []string{"SPRINGFIELD", "media.example.com", "Jones", "basta"} {
			require.NotContains(t, string(whole.Value), secret)
			for _, h := range whole.Headers {
				require.False(t, bytes.Contains(h.Value, []byte(secret)), h.Key)
			}
		}
		of, to := consent.Decisions(&told), consent.Decisions(&message)
		require.Len(t, of, 1)
		require.Equal(t, c.optedOut, of[0].OptedOut)
		of[0].Event = to[0].Event
		require.Equal(t, to, of, "both decide the same of the same address and sender")
	}
	require.Equal(t, 4, g.counter(consents))

	// The account of one organisation speaks for that one alone.
	g.publish(raw(g.signB, events.KindMessage, sid(30), url.Values{
		"MessageSid": {sid(30)}, "AccountSid": {g.signB}, "From": {ann}, "To": {sharedNumber}, "Body": {"STOP"},
	}))
	require.Equal(t, "STOP", g.of(events.KindMessage, 1)[g.orgB].Body)
	g.publish(said(31, "no keyword"))
	g.of(events.KindMessage, 1)
	require.Equal(t, 4, g.counter(consents))
}

// A STOP that cannot be placed waits, and concerns everyone once it can.
func TestAParkedStopConcernsEveryoneOnceItIsReleased(t *testing.T) {
	t.Parallel()
	g := newSharedRig(t)
	g.wrote(g.orgA, 11, ann, 100*24*time.Hour)
	g.of(events.KindSend, 1)
	g.publish(said(1, "STOP"))
	g.held(events.Parked, "no_conversation")
	g.wrote(g.orgB, 12, ann, time.Minute)
	kinds := map[events.Kind]events.OrgID{}
	for range 3 {
		m := next(g, g.messages)
		kinds[m.Kind] = m.Org
	}
	require.Equal(t, map[events.Kind]events.OrgID{events.KindSend: g.orgB, events.KindMessage: g.orgB, events.KindConsent: g.orgA}, kinds)
	g.held(events.Parked)
}

// The order of a STOP and of the record of a send decides nothing: whoever has
// written to the person hears of it, with the first send record and, should that
// be lost on the way, with every later one, as the same event.
func TestAStopReachesWhoeverIsRecordedLater(t *testing.T) {
	t.Parallel()
	g := newSharedRig(t)
	g.wrote(g.orgA, 11, ann, time.Minute)
	g.of(events.KindSend, 1)
	g.publish(said(1, "STOP"))
	stop := g.of(events.KindMessage, 1)[g.orgA]
	require.Zero(t, g.counter(consents))
	var told []events.Message
	for n := range 2 {
		g.wrote(g.orgB, 12+n, ann, time.Hour)
		told = append(told, g.of(events.KindConsent, 2)[g.orgB])
	}
	require.Equal(t, stop.Receipt, told[0].Receipt)
	require.Equal(t, events.EventID("twilio/"+platform+"/consent/"+sid(1)+":"+string(g.orgB)), told[0].EventID)
	require.Equal(t, events.DeriveRowID(g.orgB, events.Twilio, sid(1)), told[0].Row)
	require.Equal(t, "STOP", told[0].Body)
	require.Equal(t, stop.ReceivedAt, told[0].ReceivedAt)
	require.Equal(t, stop.Raw, told[0].Raw)
	require.Equal(t, told[0], told[1])

	// The organisation that it answered has it already, and of another person
	// nobody hears.
	g.wrote(g.orgA, 15, ann, 0)
	g.wrote(g.orgB, 16, "+12025550188", 0)
	g.of(events.KindSend, 2)
	// Nor does an organisation hear for which the account could not speak then.
	g.exec("UPDATE accounts SET removed_at = now() - interval '1 hour' WHERE name = $1", platform)
	g.wrote(g.orgB, 17, ann, 0)
	g.of(events.KindSend, 1)
	require.Equal(t, 2, g.counter(consents))
}

// The same receipt again gives the same events. Another receipt of an event
// that is final is a repeat: it is counted and reaches nobody, or a START that
// was captured would overrule a STOP.
func TestARepeatedRequestReachesNobody(t *testing.T) {
	t.Parallel()
	g := newSharedRig(t)
	g.wrote(g.orgA, 11, ann, time.Hour)
	g.wrote(g.orgB, 12, ann, time.Minute)
	g.of(events.KindSend, 2)
	start := said(1, "START")
	g.publish(start)
	take := func(n int) (message events.Message, told []events.Message) {
		t.Helper()
		for range n {
			m := next(g, g.messages)
			if m.Kind == events.KindConsent {
				told = append(told, m)
			} else {
				message = m
			}
		}
		return message, told
	}
	first, told := take(2)
	require.Len(t, told, 1)
	g.exec("INSERT INTO event_ids (event_id, receipt_id, org_id, outcome, applied_at) VALUES ($1, $2, $3, 'applied', now())", first.EventID, first.Receipt, first.Org)
	g.publish(start)
	again, toldAgain := take(2)
	require.Equal(t, first.Receipt, again.Receipt)
	require.Equal(t, told[0].EventID, toldAgain[0].EventID)
	require.Equal(t, told[0].Receipt, toldAgain[0].Receipt)

	g.publish(said(2, "STOP"))
	stop, _ := take(2)
	g.wrote(g.orgA, 13, ann, 0) // whom the next one answers
	_, told = take(2)
	require.Equal(t, "STOP", told[0].Body)
	before := g.counter(consents)
	captured := said(1, "START")
	g.publish(captured)
	repeat, _ := take(1)
	require.Equal(t, first.EventID, repeat.EventID)
	require.NotEqual(t, first.Receipt, repeat.Receipt)
	g.publish(said(3, "no keyword")) // behind it
	_, told = take(1)
	require.Empty(t, told)
	require.Equal(t, before, g.counter(consents))
	late := events.OrgID(uuid.NewString())
	g.exec("INSERT INTO organizations (id, name) VALUES ($1, 'late')", late)
	g.wrote(late, 14, ann, 0)
	_, told = take(2)
	require.Equal(t, "STOP", told[0].Body, "who writes later hears of what was asked last")
	require.Equal(t, stop.Receipt, told[0].Receipt)
}
