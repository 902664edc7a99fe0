package router_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

// What becomes of a send record whose ids are on record: the table of
// docs/sends.md, line by line. M is a message's id, P one of the provider.
func TestRecordedTwiceIsHarmlessAndContradictingIsQuarantined(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	type ids struct {
		org  events.OrgID
		m, p int // 0 = not named
	}
	a, b := g.orgA, g.orgB
	for _, c := range []struct {
		name   string
		before []ids
		then   ids
		row    int    // of which message it becomes part: M, or minus P
		reason string // else why it is quarantined
	}{
		{"the same record again", []ids{{a, 1, 1}}, ids{a, 1, 1}, 1, ""},
		{"intended again", []ids{{a, 1, 0}}, ids{a, 1, 0}, 1, ""},
		{"accepted after intended", []ids{{a, 1, 0}}, ids{a, 1, 1}, 1, ""},
		{"intended after accepted", []ids{{a, 1, 1}}, ids{a, 1, 0}, 1, ""},
		{"the provider's id alone, after both", []ids{{a, 1, 1}}, ids{a, 0, 1}, 1, ""},
		{"both, after the provider's id alone", []ids{{a, 0, 1}}, ids{a, 1, 1}, -1, ""},
		{"intended, after the provider's id alone and then both", []ids{{a, 0, 1}, {a, 1, 1}}, ids{a, 1, 0}, -1, ""},
		{"both, after each alone", []ids{{a, 1, 0}, {a, 0, 1}}, ids{a, 1, 1}, -1, ""},

		{"one message with a second provider id", []ids{{a, 1, 1}}, ids{a, 1, 2}, 0, "other_id_on_record"},
		{"and that one was recorded alone", []ids{{a, 1, 1}, {a, 0, 2}}, ids{a, 1, 2}, 0, "other_id_on_record"},
		{"one provider id with a second message", []ids{{a, 1, 1}}, ids{a, 2, 1}, 0, "other_id_on_record"},
		{"and that one was intended", []ids{{a, 1, 1}, {a, 2, 0}}, ids{a, 2, 1}, 0, "other_id_on_record"},
		{"and the provider's id came first", []ids{{a, 0, 1}, {a, 1, 1}}, ids{a, 2, 1}, 0, "other_id_on_record"},
		{"ids of two messages", []ids{{a, 1, 1}, {a, 2, 2}}, ids{a, 1, 2}, 0, "other_id_on_record"},

		{"another organisation's provider id", []ids{{a, 1, 1}}, ids{b, 0, 1}, 0, "taken_by_another_org"},
		{"another organisation's provider id, with a message of one's own", []ids{{a, 1, 1}}, ids{b, 2, 1}, 0, "taken_by_another_org"},
		{"another organisation's message", []ids{{a, 1, 0}}, ids{b, 1, 0}, 0, "taken_by_another_org"},
		{"another organisation's message, with a provider id of one's own", []ids{{a, 1, 1}}, ids{b, 1, 2}, 0, "taken_by_another_org"},
	} {
		var messages, providers [3]string
		for i := range messages {
			messages[i], providers[i] = uuid.NewString(), "SM"+uuid.NewString()
		}
		messages[0], providers[0] = "", ""
		record := func(i ids) (events.Send, events.Record) {
			s := events.Send{
				Org: i.org, Channel: events.SMS, Provider: events.Twilio, MessageID: messages[i.m], ProviderID: providers[i.p], Status: "accepted",
				Receipt: events.NewReceiptID(), ReceivedAt: time.Now(),
			}
			if i.p == 0 {
				s.Status = events.Intended
			}
			rec, err := s.Record()
			require.NoError(t, err)
			return s, rec
		}
		for _, i := range c.before {
			_, rec := record(i)
			g.publish(rec)
			next(g, g.messages)
		}
		before := g.mapped()
		send, rec := record(c.then)
		g.publish(rec)
		if c.reason == "" {
			want := events.RowID(messages[max(c.row, 0)])
			if c.row < 0 {
				want = events.DeriveRowID(c.then.org, events.Twilio, providers[-c.row])
			}
			require.Equal(t, want, next(g, g.messages).Row, c.name)
			continue
		}
		g.until(func() string {
			var reason, state string
			err := g.owner.QueryRow(context.Background(), "SELECT reason, state FROM held_events WHERE event_id = $1", send.ID()).Scan(&reason, &state)
			if err != nil || reason != c.reason || state != "quarantined" {
				return c.name + ": it is not quarantined: " + reason
			}
			return ""
		})
		require.Equal(t, before, g.mapped(), "%s: it changed the map", c.name)
		require.Empty(t, g.messages, c.name)
	}
	require.Positive(t, g.violations("taken_by_another_org"))
	require.Zero(t, g.violations("contradiction"), "what one organisation confuses by itself crosses no border")
}

// mapped is everything that the map has on record.
func (g *rig) mapped() (all string) {
	g.t.Helper()
	require.NoError(g.t, g.owner.QueryRow(context.Background(), "SELECT coalesce(string_agg(t::text, E'\n' ORDER BY key), '') FROM tenant_map t").Scan(&all))
	return all
}

// Which of two contradicting records comes first is chance, also inside of one
// batch: one of them holds, the other is quarantined.
func TestOfTwoContradictingRecordsOneHolds(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	const pairs = 50
	var all []events.Record
	for range pairs {
		m, first := uuid.NewString(), "SM"+uuid.NewString()
		for _, p := range []string{first, "SM" + uuid.NewString()} { // on partitions of their own: their keys differ
			s := events.Send{Org: g.orgA, Channel: events.SMS, Provider: events.Twilio, MessageID: m, ProviderID: p, Status: "accepted", Receipt: events.NewReceiptID(), ReceivedAt: time.Now()}
			rec, err := s.Record()
			require.NoError(t, err)
			all = append(all, rec)
		}
	}
	g.publish(all...)
	rows := map[events.RowID]string{}
	for range pairs {
		m := next(g, g.messages)
		require.Empty(t, rows[m.Row], "two provider ids in one row")
		rows[m.Row] = m.ProviderID
	}
	g.until(func() string {
		var n int
		require.NoError(t, g.owner.QueryRow(context.Background(), "SELECT count(*) FROM held_events WHERE state = 'quarantined' AND reason = 'other_id_on_record'").Scan(&n))
		if n != pairs {
			return "not every second one is quarantined yet"
		}
		return ""
	})
	require.Empty(t, g.messages)
}

// A callback that echoes our id under a provider id that nobody recorded is of
// that message: a sender that called the provider twice, and knows of one call,
// hears of both, and its own record stays right.
func TestAnEchoUnderAnotherProviderIDContradictsNothing(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	id := uuid.NewString()
	s := events.Send{Org: g.orgA, Channel: events.SMS, Provider: events.Twilio, MessageID: id, Status: events.Intended, Receipt: events.NewReceiptID(), ReceivedAt: time.Now()}
	rec, err := s.Record()
	require.NoError(t, err)
	g.publish(rec)
	next(g, g.messages)
	g.publish(echoing(status(g.signA, 1, "sent"), id))
	require.Equal(t, events.RowID(id), next(g, g.messages).Row)
	s.ProviderID, s.Status = sid(2), "accepted"
	rec, err = s.Record()
	require.NoError(t, err)
	g.publish(rec)
	require.Equal(t, events.RowID(id), next(g, g.messages).Row)
	g.publish(status(g.signA, 2, "delivered"))
	require.Equal(t, events.RowID(id), next(g, g.messages).Row)
	g.held(events.Quarantined)
}

// echoing is a callback that gives our id back.
func echoing(callback events.Record, id string) events.Record {
	for i := range callback.Headers {
		if callback.Headers[i].Key == "http_uri" {
			callback.Headers[i].Value = []byte("/api/webhooks/sms/status?wb=" + id)
		}
	}
	return callback
}

// Two ids of one message that were recorded apart have made two rows, and a
// record that pairs them makes them one no more: a callback that names both is
// quarantined each time, one that names the provider's alone is not.
func TestIDsThatWereRecordedApartStayApart(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	id := uuid.NewString()
	s := events.Send{Org: g.orgA, Channel: events.SMS, Provider: events.Twilio, Receipt: events.NewReceiptID(), ReceivedAt: time.Now()}
	intended, accepted, both := s, s, s
	intended.MessageID, intended.Status = id, events.Intended
	accepted.ProviderID, accepted.Status = sid(1), "accepted"
	both.MessageID, both.ProviderID, both.Status = id, sid(1), "accepted"
	row := events.DeriveRowID(g.orgA, events.Twilio, sid(1))
	for _, send := range []events.Send{intended, accepted, both} {
		rec, err := send.Record()
		require.NoError(t, err)
		g.publish(rec)
		next(g, g.messages)
	}
	g.publish(echoing(status(g.signA, 1, "sent"), id))
	quarantined := func(attempts int) {
		g.until(func() string {
			var n int
			require.NoError(t, g.owner.QueryRow(context.Background(), "SELECT count(*) FROM held_events WHERE state = 'quarantined' AND attempts = $1", attempts).Scan(&n))
			if n != 1 {
				return "it is not quarantined"
			}
			return ""
		})
	}
	quarantined(0)
	g.publish(status(g.signA, 1, "delivered"))
	require.Equal(t, row, next(g, g.messages).Row)
	g.exec("UPDATE held_events SET ready = true")
	quarantined(1)
	g.exec("INSERT INTO held_assignments (event_id, org_id) SELECT event_id, $1 FROM held_events", g.orgA)
	g.exec("UPDATE held_events SET ready = true")
	require.Equal(t, row, next(g, g.messages).Row, "an operator's word passes it on")
}
