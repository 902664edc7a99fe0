package messaging_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/errorcode"
	"waybill/internal/events"
	"waybill/internal/messaging"
)

const (
	org = events.OrgID("0d9b1c3e-0000-4000-8000-000000000001")
	row = events.RowID("0d9b1c3e-0000-4000-8000-000000000002")
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// callback returns what Twilio says of an outbound message at noon plus after.
func callback(after time.Duration, status, code string) *events.Message {
	return &events.Message{
		Kind: events.KindMessageStatus, Provider: events.Twilio, Org: org, Row: row, ProviderID: "SM1", Account: "AC1",
		Channel: events.SMS, Direction: events.Outbound, From: "+15005550006", To: "+15005550001",
		Status: status, ErrorCode: code, ReceivedAt: noon.Add(after),
	}
}

// sent returns what the sender recorded of the same message.
func sent(after time.Duration, status string) *events.Message {
	e := callback(after, status, "")
	at := noon.Add(-time.Second)
	e.Kind, e.SentAt = events.KindSend, &at
	e.MessageID, e.CampaignID, e.CustomerID = string(row), "campaign", "customer"
	return e
}

// fold applies the events in their order and returns the row and each step.
func fold(es ...*events.Message) (messaging.Message, []events.Step) {
	var m messaging.Message
	steps := make([]events.Step, len(es))
	exists := false
	for i, e := range es {
		m, steps[i] = messaging.Fold(m, exists, e)
		exists = exists || steps[i].Outcome != events.Dead
	}
	return m, steps
}

func bits(names ...string) (mask uint64) {
	for _, n := range names {
		s, ok := messaging.Lookup(n)
		if !ok {
			panic(n)
		}
		mask |= 1 << s.Bit
	}
	return mask
}

func TestFirstEventMakesTheRow(t *testing.T) {
	t.Parallel()
	e := callback(0, "queued", "")
	m, s := messaging.Fold(messaging.Message{To: "not looked at", Version: 7}, false, e)
	require.Empty(t, cmp.Diff(messaging.Message{
		Org: org, ID: row, Provider: events.Twilio, ProviderID: "SM1", Account: "AC1",
		Channel: events.SMS, Direction: events.Outbound, From: "+15005550006", To: "+15005550001",
		State: state{"queued", ""}, Version: 1, Reached: bits("queued"),
		Origin: events.OriginExternal, ReceivedAt: noon, LastAt: noon,
	}, m))
	require.Equal(t, events.Step{
		Outcome: events.Applied, Transition: true, Changed: true, Version: 1, Status: "queued", ErrorCode: "",
	}, s)
}

// A late "sent" overwrote "delivered" in a system that took the last callback.
func TestRegressionDeliveredDoesNotGoBackToSent(t *testing.T) {
	t.Parallel()
	m, steps := fold(callback(0, "sent", ""), callback(time.Second, "delivered", ""), callback(time.Minute, "sent", ""))
	require.Equal(t, state{"delivered", ""}, m.State)
	require.EqualValues(t, 2, m.Version)
	require.Equal(t, events.Step{
		Outcome: events.Stale, Changed: true, Version: 2, Status: "delivered", ErrorCode: "",
	}, steps[2])
	require.Equal(t, noon.Add(time.Minute), m.LastAt, "a stale event still moves the clock")
}

func TestRegressionALateSentStillCountsAsReached(t *testing.T) {
	t.Parallel()
	m, steps := fold(callback(0, "delivered", ""), callback(time.Second, "sent", ""))
	require.Equal(t, state{"delivered", ""}, m.State)
	require.Equal(t, bits("sent", "delivered"), m.Reached)
	require.Equal(t, events.Stale, steps[1].Outcome)
	require.True(t, steps[1].Changed, "the new bit must be written")
	require.False(t, steps[1].Transition)
	require.EqualValues(t, 1, m.Version)
}

func TestRegressionTwoUndeliveredCodesInEitherOrder(t *testing.T) {
	t.Parallel()
	vague, telling := callback(0, "undelivered", "30008"), callback(time.Second, "undelivered", "30003")

	m, steps := fold(vague, telling)
	require.Equal(t, state{"undelivered", "30003"}, m.State)
	require.EqualValues(t, 2, m.Version, "the code is part of the state: its change is a transition")
	require.True(t, steps[1].Transition)

	m, steps = fold(telling, vague)
	require.Equal(t, state{"undelivered", "30003"}, m.State)
	require.EqualValues(t, 1, m.Version)
	require.Equal(t, events.Stale, steps[1].Outcome)
	require.True(t, steps[1].Changed, "the vague one was received earlier")
}

func TestRegressionReadAfterDelivered(t *testing.T) {
	t.Parallel()
	for _, es := range [][]*events.Message{
		{callback(0, "delivered", ""), callback(time.Second, "read", "")},
		{callback(time.Second, "read", ""), callback(0, "delivered", "")},
	} {
		m, _ := fold(es...)
		require.Equal(t, state{"read", ""}, m.State)
		require.Equal(t, bits("delivered", "read"), m.Reached)
	}
}

func TestRegressionDeliveredAfterFailedClearsTheCode(t *testing.T) {
	t.Parallel()
	for _, es := range [][]*events.Message{
		{callback(0, "failed", "30410"), callback(time.Second, "delivered", "")},
		{callback(time.Second, "delivered", ""), callback(0, "failed", "30410")},
	} {
		m, _ := fold(es...)
		require.Equal(t, state{"delivered", ""}, m.State)
	}
}

// Callbacks that came before the send record were dropped.
func TestRegressionCallbackBeforeSendRecord(t *testing.T) {
	t.Parallel()
	m, steps := fold(callback(0, "delivered", ""), sent(time.Second, "accepted"))
	require.Equal(t, state{"delivered", ""}, m.State)
	require.Equal(t, "campaign", m.CampaignID)
	require.Equal(t, "customer", m.CustomerID)
	require.Equal(t, events.OriginSend, m.Origin)
	require.Equal(t, noon.Add(-time.Second), *m.SentAt)
	require.Equal(t, events.Applied, steps[1].Outcome)
	require.False(t, steps[1].Transition, "a description is no transition")
}

func TestIntendedMessageGetsItsProvidersID(t *testing.T) {
	t.Parallel()
	intent := sent(0, "intended")
	intent.ProviderID, intent.SentAt = "", nil
	m, steps := fold(intent, sent(time.Second, "accepted"), callback(2*time.Second, "queued", ""))
	require.Equal(t, "SM1", m.ProviderID)
	require.Equal(t, state{"queued", ""}, m.State)
	require.EqualValues(t, 3, m.Version)
	require.True(t, steps[0].Transition, "a new row is a transition")
}

func TestCallbackCannotNameTheCampaign(t *testing.T) {
	t.Parallel()
	e := callback(0, "sent", "")
	e.MessageID, e.CampaignID, e.CustomerID = "echoed", "echoed", "echoed"
	e.SentAt = &noon
	m, _ := fold(e)
	require.Empty(t, m.MessageID+m.CampaignID+m.CustomerID)
	require.Nil(t, m.SentAt)
}

func TestSenderIsNoCarrier(t *testing.T) {
	t.Parallel()
	e := sent(0, "accepted")
	e.Provider = events.Sender
	m, _ := fold(e, callback(time.Second, "queued", ""))
	require.Equal(t, events.Twilio, m.Provider)
}

func TestInboundMessage(t *testing.T) {
	t.Parallel()
	e := callback(0, "received", "")
	e.Kind, e.Direction, e.Body, e.Media = events.KindMessage, events.Inbound, "hello", []string{"https://m/1"}
	m, s := messaging.Fold(messaging.Message{}, false, e)
	require.Equal(t, events.OriginInbound, m.Origin)
	require.Equal(t, "hello", m.Body)
	e.Media[0] = "changed"
	require.Equal(t, []string{"https://m/1"}, m.Media, "the row does not share the event's memory")
	require.True(t, s.Transition)
}

func TestAStatusThatIsNoneIsDead(t *testing.T) {
	t.Parallel()
	before, _ := fold(callback(0, "sent", ""))
	for _, status := range []string{"", "teleported"} {
		after, s := messaging.Fold(before, true, callback(time.Hour, status, "30003"))
		require.Empty(t, cmp.Diff(before, after))
		require.Equal(t, events.Step{
			Outcome: events.Dead, Reason: "unknown_status", Version: 1, Status: "sent", ErrorCode: "",
		}, s)
	}
}

func TestTheSameEventAgainChangesNothing(t *testing.T) {
	t.Parallel()
	e := sent(0, "accepted")
	at := noon.Add(1234567 * time.Nanosecond)
	e.SentAt, e.OccurredAt, e.ReceivedAt = &at, &at, at
	before, _ := fold(e)
	after, s := messaging.Fold(before, true, e)
	require.Empty(t, cmp.Diff(before, after))
	require.Equal(t, events.Step{
		Outcome: events.Stale, Version: 1, Status: "accepted", ErrorCode: "",
	}, s)
}

// PostgreSQL keeps microseconds; a row read back must still equal its event.
func TestTimesAreKeptToTheMillisecond(t *testing.T) {
	t.Parallel()
	e := sent(0, "accepted")
	at := noon.Add(1234567 * time.Nanosecond)
	e.SentAt, e.OccurredAt, e.ReceivedAt = &at, &at, at
	m, _ := fold(e)
	want := noon.Add(time.Millisecond)
	require.Equal(t, []time.Time{want, want, want, want}, []time.Time{*m.SentAt, *m.OccurredAt, m.ReceivedAt, m.LastAt})
}

func TestStatusEvent(t *testing.T) {
	t.Parallel()
	e := callback(time.Second, "undelivered", "30003")
	at := noon.Add(500 * time.Millisecond)
	e.OccurredAt = &at
	m, steps := fold(sent(0, "accepted"), e)
	require.Empty(t, cmp.Diff(events.Status{
		Org: org, ID: row, MessageID: string(row), ProviderID: "SM1", Channel: events.SMS,
		CampaignID: "campaign", CustomerID: "customer", Status: "undelivered", ErrorCode: "30003",
		ErrorClass: errorcode.Unreachable, Version: 2, OccurredAt: &at, ReceivedAt: noon.Add(time.Second),
	}, messaging.StatusEvent(&m, e, steps[1])))
}
