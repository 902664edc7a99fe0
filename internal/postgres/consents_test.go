package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/bus"
	"waybill/internal/consent"
	"waybill/internal/events"
	"waybill/internal/facts"
)

// wrote is a message that a person wrote to the number of an organisation.
func (d *desk) wrote(org events.OrgID, n int, body string, second int) events.Message {
	m := d.status(org, n, "received", "", second)
	m.EventID = events.EventID(fmt.Sprintf("twilio/%s/message.received/%s", org, sid(n)))
	m.Kind, m.Direction, m.From, m.To, m.Body = events.KindMessage, events.Inbound, "+12025550177", "+12025550100", body
	return m
}

// consents returns who is opted out (true) or in, by channel, sender and address.
func (d *desk) consents(t require.TestingT, org events.OrgID) map[string]bool {
	out := map[string]bool{}
	rows, err := d.owner.Query(context.Background(), "SELECT format('%s %s %s', channel, sender, address), opted_out FROM consents WHERE org_id = $1", org)
	require.NoError(t, err)
	for rows.Next() {
		var who string
		var is bool
		require.NoError(t, rows.Scan(&who, &is))
		out[who] = is
	}
	require.NoError(t, rows.Err())
	return out
}

func TestStopAndStartDecideByTheTimeOfReceiving(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const who = "sms +12025550100 +12025550177"
	d.apply(t, d.wrote(d.orgA, 1, "STOP", 2))
	require.Equal(t, map[string]bool{who: true}, d.consents(t, d.orgA))
	d.apply(t, d.wrote(d.orgA, 2, "START", 1), d.wrote(d.orgA, 3, "hello", 9))
	require.Equal(t, map[string]bool{who: true}, d.consents(t, d.orgA), "it was received before the STOP")
	d.apply(t, d.wrote(d.orgA, 4, "START", 3))
	require.Equal(t, map[string]bool{who: false}, d.consents(t, d.orgA))
	d.apply(t, d.wrote(d.orgA, 5, "stop", 3))
	require.Equal(t, map[string]bool{who: true}, d.consents(t, d.orgA), "of two at one time the opt-out")
	require.Empty(t, d.consents(t, d.orgB))
}

// An opt-out at a sender that organisations share has no row of its own, and is
// in the timeline; it comes once.
func TestAnOptOutAtASharedSenderIsAnEventWithoutARow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	e := d.wrote(d.orgB, 1, "STOP", 1)
	e.Kind = events.KindConsent
	e.EventID = "twilio/AC/consent/SM1:b"
	effect := d.apply(t, e, e)
	require.Equal(t, map[events.Outcome]int{events.Applied: 1}, effect.Outcomes)
	require.Empty(t, effect.Status)
	require.Equal(t, map[string]bool{"sms +12025550100 +12025550177": true}, d.consents(t, d.orgB))
	var rows, timeline int
	require.NoError(t, d.owner.QueryRow(t.Context(), "SELECT count(*) FROM sms_messages WHERE org_id = $1", d.orgB).Scan(&rows))
	require.NoError(t, d.owner.QueryRow(t.Context(), "SELECT count(*) FROM events WHERE org_id = $1 AND resource = 'consent' AND row_id = $2", d.orgB, e.Row).Scan(&timeline))
	require.Equal(t, []int{0, 1}, []int{rows, timeline})
}

func TestBouncesForGoodAndComplaintsOptOut(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	complained := d.mail(d.orgA, 1, "", 2, "B@example.com")
	complained.Facts = []facts.Fact{{Name: facts.Complaints, Value: "abuse"}}
	d.apply(t, d.mail(d.orgA, 1, "bounced_permanent", 1, "a@example.com"), complained, d.mail(d.orgA, 1, "bounced_transient", 3, "c@example.com"))
	require.Equal(t, map[string]bool{"email  a@example.com": true, "email  b@example.com": true}, d.consents(t, d.orgA))
}

// Any order and any grouping into batches ends in the decision that the pure
// rule gives.
func TestAnyOrderEndsInTheSameConsents(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		person := fmt.Sprintf("+1202555%04d", n%10000)
		var all []events.Message
		var want consent.Decision
		for range rapid.IntRange(1, 6).Draw(rt, "messages") {
			n++
			e := d.wrote(d.orgA, n, rapid.SampledFrom([]string{"STOP", "START", "hello", "Unsubscribe", "yes"}).Draw(rt, "body"), rapid.IntRange(0, 2).Draw(rt, "second"))
			e.From = person
			for _, dec := range consent.Decisions(&e) {
				want = consent.Join(want, dec)
			}
			all = append(all, e)
		}
		all = rapid.Permutation(all).Draw(rt, "order")
		for len(all) > 0 {
			size := rapid.IntRange(1, len(all)).Draw(rt, "batch")
			_, err := d.messages.Apply(context.Background(), []bus.Fence{d.fence(size)}, all[:size])
			require.NoError(rt, err)
			d.at += int64(size)
			all = all[size:]
		}
		var got consent.Decision
		err := d.owner.QueryRow(context.Background(), "SELECT channel, sender, address, opted_out, decided_at, event_id FROM consents WHERE org_id = $1 AND address = $2", d.orgA, person).
			Scan(&got.Channel, &got.Sender, &got.Address, &got.OptedOut, &got.At, &got.Event)
		if want == (consent.Decision{}) {
			require.Error(rt, err)
			return
		}
		require.NoError(rt, err)
		got.At = got.At.In(time.UTC)
		require.Equal(rt, want, got)
	})
}
