package router_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider/sns"
	"waybill/internal/router"
	"waybill/internal/tenantmap"
)

const (
	sesTopic = "arn:aws:sns:eu-west-1:111122223333:ses-events"
	instance = "arn:aws:connect:eu-west-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
	contact  = "22222222-2222-4222-8222-222222222222"
)

// topicSays is an envelope of a topic as ingest keeps it.
func topicSays(p events.Provider, kind events.Kind, signer, typ, id, message string) events.Record {
	body, err := json.Marshal(map[string]string{
		"Type": typ, "MessageId": id, "TopicArn": sesTopic, "Message": message, "Timestamp": "2026-11-23T15:04:06.000Z",
		"Token": "2336412f37", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
	})
	if err != nil {
		panic(err) // strings
	}
	r := events.Raw{
		Receipt: events.NewReceiptID(), Provider: p, Kind: kind, Signer: signer, Key: sesTopic, Method: "POST",
		URI: "/api/webhooks/email", Body: body, ReceivedAt: events.Millis(time.Now()),
	}
	return r.Record()
}

func setUpNote(id string) events.Record {
	return topicSays(events.SES, events.KindEmail, sesTopic, "Notification", id, "Successfully validated SNS topic for Amazon SES event publishing.\n")
}

// finals waits until so many events are final as ignored, and so many repeats counted.
func (g *rig) finals(ignored, repeats int) {
	g.t.Helper()
	g.until(func() string {
		var n, dups int
		require.NoError(g.t, g.owner.QueryRow(context.Background(),
			"SELECT (SELECT count(*) FROM event_ids WHERE outcome = 'ignored' AND org_id IS NULL), (SELECT count(*) FROM event_duplicates)").Scan(&n, &dups))
		if n == ignored && dups == repeats {
			return ""
		}
		return "the notes are not final"
	})
}

func TestASetUpNoteIsFinalAndItsRepeatADuplicate(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	require.Zero(t, g.counter("waybill_router_ignored_total"))
	note := setUpNote("m-1")
	g.publish(note, note, setUpNote("m-1"), setUpNote("m-2"))
	g.finals(2, 1)
	g.publish(note, setUpNote("m-2"), setUpNote("m-2"))
	g.finals(2, 3)
	g.held(events.Dead)
	g.held(events.Parked)
}

// A confirmation is asked for before its event is final, again with each repeat,
// and the end of a subscription is an alarm and nothing else.
func TestATopicsWordAboutItself(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	work := make(chan events.Confirmation, 10)
	follow(g, events.TopicControl, func(rec *events.Record) {
		c, err := events.DecodeConfirmation(rec)
		require.NoError(t, err)
		work <- c
	})
	require.Zero(t, g.counter("waybill_router_topics_unsubscribed_total", "ses"))
	require.Zero(t, g.counter("waybill_router_topics_unsubscribed_total", "connect"))
	g.publish(topicSays(events.SES, events.KindTopic, sesTopic, "SubscriptionConfirmation", "m-1", "You have chosen"))
	c := next(g, work)
	require.Equal(t, events.EventID("ses/"+sesTopic+"/topic.control/m-1"), c.EventID)
	require.Equal(t, []string{sesTopic, "2336412f37"}, []string{c.TopicARN, c.Token})
	g.finals(1, 0)
	g.publish(topicSays(events.Connect, events.KindTopic, instance, "SubscriptionConfirmation", "m-1", "You have chosen"))
	c = next(g, work)
	require.Equal(t, events.Connect, c.Provider)
	require.Equal(t, sesTopic, c.TopicARN, "the topic asks, not the instance")
	g.publish(topicSays(events.Connect, events.KindTopic, instance, "UnsubscribeConfirmation", "m-2", "You have chosen"))
	g.finals(3, 0)
	g.until(func() string { // it is told behind its being final
		if g.counter("waybill_router_topics_unsubscribed_total", "connect") != 1 {
			return "nobody is told"
		}
		return ""
	})
	require.Empty(t, work, "what somebody ended is not taken up again")
}

// forgetful is a store that cannot make anything final at first.
type forgetful struct {
	router.Store
	fail   atomic.Int64
	failed chan struct{}
}

func (s *forgetful) Ignore(ctx context.Context, ignored []tenantmap.Ignored) error {
	if s.fail.Add(-1) >= 0 {
		s.failed <- struct{}{}
		return fault.New(fault.Unavailable, "away")
	}
	return s.Store.Ignore(ctx, ignored)
}

// Regression: the alarm was raised, and the event counted, before it was final,
// and once more each time that its batch was tried again.
func TestTheEndOfASubscriptionAlarmsOnceItIsFinal(t *testing.T) {
	t.Parallel()
	s := &forgetful{failed: make(chan struct{}, 10)}
	s.fail.Store(2)
	g := newRig(t, func(o *router.Options) { s.Store, o.Store = o.Store, s })
	g.publish(topicSays(events.SES, events.KindTopic, sesTopic, "UnsubscribeConfirmation", "m-1", "You have chosen"))
	next(g, s.failed)
	require.Zero(t, g.counter("waybill_router_topics_unsubscribed_total", "ses"))
	next(g, s.failed)
	g.finals(1, 0)
	g.until(func() string {
		if g.counter("waybill_router_topics_unsubscribed_total", "ses") == 0 {
			return "nobody is told"
		}
		return ""
	})
	require.Equal(t, 1, g.counter("waybill_router_topics_unsubscribed_total", "ses"))
	require.Equal(t, 1, g.ignored(sns.IgnoredUnsubscribe))
}

// ignored returns how many events of SES were counted for a reason.
func (g *rig) ignored(reason string) (n int) {
	families, err := g.registry.Gather()
	require.NoError(g.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); f.GetName() == "waybill_router_ignored_total" && l[0].GetValue() == "ses" && l[1].GetValue() == reason {
				n += int(m.GetCounter().GetValue())
			}
		}
	}
	return n
}

// Whoever holds one instance's key may not speak for another, however good the
// evidence is; and no replay and no word of an operator's changes that.
func TestAnotherInstancesContactIsQuarantined(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.account("connect", "", instance, g.orgA)
	require.Zero(t, g.violations("signer_mismatch"))
	body := `{"id":"e-1","source":"aws.connect","detail-type":"Amazon Connect Contact Event","time":"2026-11-23T10:02:00Z","detail":{` +
		`"eventType":"INITIATED","contactId":"` + contact + `","instanceArn":"` + instance[:len(instance)-1] + `9"}}`
	r := events.Raw{
		Receipt: events.NewReceiptID(), Provider: events.Connect, Kind: events.KindContact, Signer: instance, Key: contact, Method: "POST",
		URI: "/api/webhooks/connect", Body: []byte(body), ReceivedAt: events.Millis(time.Now()),
	}
	g.publish(r.Record())
	g.held(events.Quarantined, "instance_mismatch")
	require.Equal(t, 1, g.violations("signer_mismatch"))
	g.exec("UPDATE held_events SET ready = true")
	g.until(func() string {
		if g.violations("signer_mismatch") < 2 {
			return "it is not parsed again"
		}
		return ""
	})
	g.held(events.Quarantined, "instance_mismatch")
	g.finals(0, 0)
}

// account enters one that signs for an organisation, from the beginning.
func (g *rig) account(provider, purpose, name string, org events.OrgID) {
	g.t.Helper()
	id := uuid.NewString()
	g.exec("INSERT INTO accounts (id, provider, purpose, name) VALUES ($1, $2, $3, $4)", id, provider, purpose, name)
	g.exec("INSERT INTO account_orgs (account_id, org_id, valid) VALUES ($1, $2, tstzrange(NULL, NULL))", id, org)
}

func emailEvent(id, mail, name, detail string) events.Record {
	return topicSays(events.SES, events.KindEmail, sesTopic, "Notification", id, `{"eventType":"`+name+`",`+detail+
		`"mail":{"timestamp":"2026-11-23T15:00:00.500Z","messageId":"`+mail+`","source":"news@shop.example","destination":["jane@example.com"]}}`)
}

// An e-mail's events before its send record wait, and belong to whom their topic
// is registered for SES: one for Amazon Connect entitles nobody to e-mails.
func TestAnEmailsEventsFollowItsSend(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.account("sns", "connect", sesTopic, g.orgA)
	g.publish(emailEvent("m-1", "mail-1", "Delivery", `"delivery":{"timestamp":"2026-11-23T15:04:05Z","recipients":["jane@example.com"]},`))
	g.held(events.Parked, "no_mapping")
	send := events.Send{
		Org: g.orgA, Channel: events.Email, Provider: events.SES, ProviderID: "mail-1", Status: "sent",
		Receipt: events.NewReceiptID(), ReceivedAt: time.Now(),
	}
	rec, err := send.Record()
	require.NoError(t, err)
	g.publish(rec)
	require.Equal(t, events.KindSend, next(g, g.messages).Kind)
	g.held(events.Quarantined, "signer_not_entitled")
	g.account("sns", "ses", sesTopic, g.orgA)
	g.exec("UPDATE held_events SET ready = true")
	m := next(g, g.messages)
	require.Equal(t, "delivered", m.Status)
	require.Equal(t, g.orgA, m.Org)
	require.Equal(t, "resource", m.ResolvedBy)
	g.held(events.Quarantined)
}
