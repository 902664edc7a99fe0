package email_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/email"
	"waybill/internal/errorcode"
	"waybill/internal/events"
	"waybill/internal/facts"
)

const (
	org = events.OrgID("0d9b1c3e-0000-4000-8000-000000000001")
	row = events.RowID("0d9b1c3e-0000-4000-8000-000000000002")

	ann = "ann@example.com"
	bob = "bob@example.com"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// callback returns what SES says at noon plus after of those whom it names, or
// of the e-mail as a whole.
func callback(after time.Duration, status, code string, whom ...string) *events.Message {
	e := &events.Message{
		Kind: events.KindEmail, Provider: events.SES, Org: org, Row: row, ProviderID: "0100", Account: "arn:aws:sns:1",
		Channel: events.Email, Direction: events.Outbound, From: "crm@example.org",
		Status: status, ErrorCode: code, ReceivedAt: noon.Add(after),
	}
	for _, address := range whom {
		e.Recipients = append(e.Recipients, events.Recipient{Address: address})
	}
	return e
}

// told returns a callback that tells a fact alone.
func told(after time.Duration, fact string, whom ...string) *events.Message {
	e := callback(after, "", "", whom...)
	at := noon.Add(after)
	e.Facts = []facts.Fact{{Name: fact, At: &at}}
	return e
}

// recorded returns what the sender recorded of the same e-mail.
func recorded(after time.Duration, status, to string) *events.Message {
	e := callback(after, status, "")
	at := noon.Add(-time.Second)
	e.Kind, e.To, e.SentAt = events.KindSend, to, &at
	e.MessageID, e.CampaignID, e.CustomerID = string(row), "campaign", "customer"
	return e
}

// fold applies the events in their order and returns the row and each step.
func fold(es ...*events.Message) (email.Message, []events.Step) {
	var m email.Message
	steps := make([]events.Step, len(es))
	exists := false
	for i, e := range es {
		m, steps[i] = email.Fold(m, exists, e)
		exists = exists || steps[i].Outcome != events.Dead
	}
	return m, steps
}

func bits(names ...string) (mask uint64) {
	for _, n := range names {
		s, ok := email.Lookup(n)
		if !ok {
			panic(n)
		}
		mask |= 1 << s.Bit
	}
	return mask
}

func to(states map[string]state) map[string]email.Recipient {
	out := map[string]email.Recipient{}
	for address, s := range states {
		out[address] = email.Recipient{State: s}
	}
	return out
}

func TestFirstEventMakesTheRow(t *testing.T) {
	t.Parallel()
	e := callback(0, "sent", "", " Ann@Example.com ", bob)
	m, s := email.Fold(email.Message{From: "not looked at", Version: 7}, false, e)
	require.Empty(t, cmp.Diff(email.Message{
		Org: org, ID: row, Provider: events.SES, ProviderID: "0100", Account: "arn:aws:sns:1", From: "crm@example.org",
		Recipients: to(map[string]state{ann: {"sent", ""}, bob: {"sent", ""}}),
		State:      state{"sent", ""}, Version: 1, Reached: bits("sent"),
		Origin: events.OriginExternal, ReceivedAt: noon, LastAt: noon,
	}, m))
	require.Equal(t, events.Step{Outcome: events.Applied, Transition: true, Changed: true, Version: 1, Status: "sent"}, s)
}

// A bounce after the delivery was thrown away in systems whose "delivered" is final.
func TestRegressionABounceAfterDeliveryIsNotIgnored(t *testing.T) {
	t.Parallel()
	for _, es := range [][]*events.Message{
		{callback(0, "delivered", "", ann), callback(time.Second, "bounced_permanent", "5.1.1", ann)},
		{callback(time.Second, "bounced_permanent", "5.1.1", ann), callback(0, "delivered", "", ann)},
	} {
		m, _ := fold(es...)
		require.Equal(t, state{"bounced_permanent", "5.1.1"}, m.State)
		require.Equal(t, bits("delivered", "bounced_permanent"), m.Reached)
	}
	_, steps := fold(callback(0, "delivered", "", ann), callback(time.Second, "bounced_permanent", "5.1.1", ann))
	require.Equal(t, events.Step{
		Outcome: events.Applied, Transition: true, Changed: true, Version: 2, Status: "bounced_permanent", ErrorCode: "5.1.1",
	}, steps[1])
}

// SES reports an out-of-office reply as a transient bounce of general kind.
func TestRegressionOutOfOfficeDoesNotTurnDeliveredIntoBounced(t *testing.T) {
	t.Parallel()
	for _, whom := range [][]string{{ann}, nil} { // with and without a name
		m, steps := fold(callback(0, "delivered", "", ann), callback(time.Second, "bounced_transient", "general", whom...))
		require.Equal(t, state{"delivered", ""}, m.State)
		require.Equal(t, email.Recipient{State: state{"delivered", ""}}, m.Recipients[ann])
		require.EqualValues(t, 1, m.Version)
		require.Equal(t, events.Stale, steps[1].Outcome)

		m, _ = fold(callback(0, "bounced_transient", "general", whom...), callback(time.Second, "delivered", "", ann))
		require.Equal(t, state{"delivered", ""}, m.State, "the reply may overtake the delivery")
	}
}

func TestRegressionDeliveredIsNotOverwrittenByWhatComesLate(t *testing.T) {
	t.Parallel()
	for _, late := range []string{"intended", "sent", "delayed"} {
		m, steps := fold(callback(0, "delivered", "", ann), callback(time.Minute, late, "4.4.1", ann))
		require.Equal(t, state{"delivered", ""}, m.State)
		require.Equal(t, events.Step{Outcome: events.Stale, Changed: true, Version: 1, Status: "delivered"}, steps[1])
		require.Equal(t, bits("delivered", late), m.Reached, "the late status counts as reached")
		require.Equal(t, noon.Add(time.Minute), m.LastAt, "a stale event still moves the clock")
	}
}

// One row for all recipients lost the one who got it, or the one who did not.
func TestRegressionOneRecipientsBounceDoesNotHideAnothersDelivery(t *testing.T) {
	t.Parallel()
	m, steps := fold(
		callback(0, "sent", "", ann, bob), callback(time.Second, "delivered", "", ann),
		callback(2*time.Second, "bounced_permanent", "5.1.1", bob), callback(3*time.Second, "delayed", "4.4.1", bob),
	)
	require.Equal(t, to(map[string]state{ann: {"delivered", ""}, bob: {"bounced_permanent", "5.1.1"}}), m.Recipients)
	require.Equal(t, state{"bounced_permanent", "5.1.1"}, m.State, "the e-mail is as the worst of them")
	require.EqualValues(t, 3, m.Version)
	require.Equal(t, "delivered", steps[1].Status, "nothing else is final yet")
	require.Equal(t, events.Stale, steps[3].Outcome)
}

// The e-mail's status may stay while a recipient's moves: that is a transition, too.
func TestARecipientsMoveIsATransition(t *testing.T) {
	t.Parallel()
	m, steps := fold(callback(0, "bounced_permanent", "5.1.1", bob), callback(time.Second, "delivered", "", ann), callback(2*time.Second, "sent", "", ann))
	require.Equal(t, state{"bounced_permanent", "5.1.1"}, m.State)
	require.Equal(t, events.Step{
		Outcome: events.Applied, Transition: true, Changed: true, Version: 2, Status: "bounced_permanent", ErrorCode: "5.1.1",
	}, steps[1])
	require.EqualValues(t, 2, m.Version)
}

// A system that kept one status for all showed the part that came last: a second
// recipient's success hid the first one's failure.
func TestRegressionASecondPartsSuccessDoesNotHideTheFirstPartsFailure(t *testing.T) {
	t.Parallel()
	first, second := callback(0, "bounced_permanent", "5.1.1", ann), callback(time.Second, "delivered", "", bob)
	for _, es := range [][]*events.Message{{first, second}, {second, first}} {
		m, _ := fold(es...)
		require.Equal(t, state{"bounced_permanent", "5.1.1"}, m.State)
		require.Equal(t, "delivered", m.Recipients[bob].Status)
	}
}

func TestRegressionComplaintAndOpenAreFactsWithoutAVersion(t *testing.T) {
	t.Parallel()
	m, steps := fold(
		callback(0, "delivered", "", ann), told(2*time.Second, facts.Opens), told(time.Second, facts.Opens), told(3*time.Second, facts.Complaints, ann),
	)
	require.Equal(t, state{"delivered", ""}, m.State)
	require.EqualValues(t, 1, m.Version)
	first, last, complained := noon.Add(time.Second), noon.Add(2*time.Second), noon.Add(3*time.Second)
	require.Equal(t, facts.Known{
		facts.Opens:      {Count: 2, First: &first, Last: &last},
		facts.Complaints: {Count: 1, First: &complained, Last: &complained},
	}, m.Facts)
	for _, s := range steps[1:] {
		require.Equal(t, events.Step{Outcome: events.Applied, Changed: true, Version: 1, Status: "delivered"}, s)
	}
	m, s := email.Fold(m, true, told(4*time.Second, facts.Complaints, ann, bob))
	require.Len(t, m.Recipients, 1, "a fact adds nobody")
	require.False(t, s.Transition)
}

// If only the first event of a row made it sent, the order would be seen.
func TestRegressionAnOpenProvesThatItWasSent(t *testing.T) {
	t.Parallel()
	m, steps := fold(told(0, facts.Opens))
	require.Equal(t, state{"sent", ""}, m.State)
	require.Equal(t, state{"sent", ""}, m.Own)
	require.True(t, steps[0].Transition)
	for _, es := range [][]*events.Message{
		{told(0, facts.Opens), recorded(time.Second, "intended", ann)},
		{recorded(time.Second, "intended", ann), told(0, facts.Opens)},
	} {
		m, _ = fold(es...)
		require.Equal(t, state{"sent", ""}, m.State)
		require.EqualValues(t, 2, m.Version)
		require.Equal(t, bits("intended", "sent"), m.Reached)
		require.Equal(t, to(map[string]state{ann: {"intended", ""}}), m.Recipients, "whose open it was is not known")
	}
}

func TestRegressionACampaignKnownLate(t *testing.T) {
	t.Parallel()
	m, steps := fold(callback(0, "delivered", "", ann), recorded(time.Second, "accepted", "Ann@example.com"))
	require.Equal(t, state{"delivered", ""}, m.State)
	require.Equal(t, []string{"campaign", "customer", string(row), events.OriginSend}, []string{m.CampaignID, m.CustomerID, m.MessageID, m.Origin})
	require.Equal(t, noon.Add(-time.Second), *m.SentAt)
	require.Len(t, m.Recipients, 1)
	require.Equal(t, events.Applied, steps[1].Outcome)
	require.False(t, steps[1].Transition, "a description is no transition")
	require.Equal(t, bits("delivered", "sent"), m.Reached)
}

func TestSendersWordsInSendRecordsAlone(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"accepted": "sent", "queued": "sent", "failed": "rejected", "sent": "sent", "intended": "intended"} {
		m, _ := fold(recorded(0, word, ann))
		require.Equal(t, state{want, ""}, m.State, word)
		m, _ = fold(recorded(0, word, ""))
		require.Equal(t, state{want, ""}, m.Own, "without an address it is said of the e-mail")
		require.Empty(t, m.Recipients)
	}
	for _, word := range []string{"accepted", "queued", "failed"} {
		_, steps := fold(callback(0, word, "", ann))
		require.Equal(t, events.Dead, steps[0].Outcome)
	}
}

func TestRejectedEndsTheEMailForAll(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"rejected", "rendering_failed"} {
		m, steps := fold(callback(0, "sent", "", ann, bob), callback(time.Second, status, "bad_content", ann), callback(time.Minute, "delivered", "", ann))
		require.Equal(t, state{status, "bad_content"}, m.State)
		require.Equal(t, state{status, "bad_content"}, m.Own)
		require.Equal(t, to(map[string]state{ann: {"delivered", ""}, bob: {"sent", ""}}), m.Recipients)
		require.True(t, steps[1].Transition)
	}
}

func TestEachRecipientHasItsOwnCode(t *testing.T) {
	t.Parallel()
	e := callback(0, "bounced_permanent", "general", ann, bob, ann, " ")
	e.Recipients[2].ErrorCode = "5.2.2"
	m, _ := fold(e)
	require.Equal(t, to(map[string]state{ann: {"bounced_permanent", "5.2.2"}, bob: {"bounced_permanent", "general"}}), m.Recipients)
	require.Equal(t, state{"bounced_permanent", "5.2.2"}, m.State, "the more telling code")
	e.Recipients[0].ErrorCode, e.Recipients[2].ErrorCode = "5.2.2", ""
	again, _ := fold(e)
	require.Empty(t, cmp.Diff(m, again), "whichever of two entries of one person comes first")

	m, _ = fold(callback(0, "bounced_permanent", "5.1.1", ann), callback(0, "bounced_transient", "4.2.2", bob), callback(0, "delivered", "", "cy@example.com"))
	require.Equal(t, state{"bounced_permanent", "5.1.1"}, m.State, "the code that belongs to the status")
}

func TestAStaleEventMayMoveWhatIsBehindTheStatus(t *testing.T) {
	t.Parallel()
	m, steps := fold(callback(0, "sent", "", ann), callback(0, "sent", ""))
	require.Equal(t, state{"sent", ""}, m.Own)
	require.Equal(t, events.Step{Outcome: events.Stale, Changed: true, Version: 1, Status: "sent"}, steps[1])
}

func TestTimesMoveOneWay(t *testing.T) {
	t.Parallel()
	var es []*events.Message
	for _, d := range []time.Duration{2 * time.Second, time.Second, 3 * time.Second} {
		e, at := recorded(d, "accepted", ann), noon.Add(d)
		e.SentAt, e.OccurredAt = &at, &at
		es = append(es, e)
	}
	m, _ := fold(es...)
	first, last := noon.Add(time.Second), noon.Add(3*time.Second)
	require.Equal(t, []time.Time{first, last, first, last}, []time.Time{*m.SentAt, *m.OccurredAt, m.ReceivedAt, m.LastAt})
}

func TestRecipientsKeepTheIDsThatTheStoreGave(t *testing.T) {
	t.Parallel()
	before, _ := fold(callback(0, "sent", "", ann))
	before.Recipients = map[string]email.Recipient{ann: {ID: "r1", State: before.Recipients[ann].State}}
	after, _ := email.Fold(before, true, callback(0, "delivered", "", ann, bob))
	require.Equal(t, map[string]email.Recipient{ann: {ID: "r1", State: state{"delivered", ""}}, bob: {State: state{"delivered", ""}}}, after.Recipients)
	require.Equal(t, map[string]email.Recipient{ann: {ID: "r1", State: state{"sent", ""}}}, before.Recipients, "not modified in place")
}

func TestCallbackCannotNameTheCampaign(t *testing.T) {
	t.Parallel()
	e := callback(0, "sent", "", ann)
	e.MessageID, e.CampaignID, e.CustomerID, e.To = "echoed", "echoed", "echoed", bob
	e.SentAt = &noon
	m, _ := fold(e)
	require.Empty(t, m.MessageID+m.CampaignID+m.CustomerID)
	require.Nil(t, m.SentAt)
	require.Equal(t, to(map[string]state{ann: {"sent", ""}}), m.Recipients, "only a send record names one by To")
}

func TestSenderIsNoCarrier(t *testing.T) {
	t.Parallel()
	e := recorded(0, "accepted", ann)
	e.Provider = events.Sender
	m, _ := fold(e, callback(time.Second, "sent", ""))
	require.Equal(t, events.SES, m.Provider)
}

func TestAStatusThatIsNoneIsDead(t *testing.T) {
	t.Parallel()
	before, _ := fold(callback(0, "sent", "", ann))
	unknown := told(time.Hour, facts.Opens)
	unknown.Status = "teleported"
	for _, e := range []*events.Message{callback(time.Hour, "", "", bob), callback(time.Hour, "teleported", "", bob), unknown} {
		after, s := email.Fold(before, true, e)
		require.Empty(t, cmp.Diff(before, after))
		require.Equal(t, events.Step{Outcome: events.Dead, Reason: "unknown_status", Version: 1, Status: "sent"}, s)
	}
}

// PostgreSQL keeps microseconds; a row read back must still equal its event.
func TestTheSameEventAgainChangesNothing(t *testing.T) {
	t.Parallel()
	e := recorded(0, "accepted", ann)
	at := noon.Add(1234567 * time.Nanosecond)
	e.SentAt, e.OccurredAt, e.ReceivedAt = &at, &at, at
	before, _ := fold(e)
	want := noon.Add(time.Millisecond)
	require.Equal(t, []time.Time{want, want, want, want}, []time.Time{*before.SentAt, *before.OccurredAt, before.ReceivedAt, before.LastAt})
	after, s := email.Fold(before, true, e)
	require.Empty(t, cmp.Diff(before, after))
	require.Equal(t, events.Step{Outcome: events.Stale, Version: 1, Status: "sent"}, s)
}

func TestStatusEvent(t *testing.T) {
	t.Parallel()
	e := callback(time.Second, "bounced_permanent", "5.1.1", bob)
	at := noon.Add(500 * time.Millisecond)
	e.OccurredAt = &at
	m, steps := fold(recorded(0, "accepted", ann), e)
	m.Recipients = map[string]email.Recipient{
		ann: {ID: "r2", State: m.Recipients[ann].State}, bob: {ID: "r1", State: m.Recipients[bob].State},
	}
	require.Empty(t, cmp.Diff(events.Status{
		Org: org, ID: row, MessageID: string(row), ProviderID: "0100", Channel: events.Email,
		CampaignID: "campaign", CustomerID: "customer", Status: "bounced_permanent", ErrorCode: "5.1.1", ErrorClass: errorcode.InvalidAddress,
		Recipients: []events.RecipientStatus{
			{ID: "r1", Status: "bounced_permanent", ErrorCode: "5.1.1", ErrorClass: errorcode.InvalidAddress}, {ID: "r2", Status: "sent"},
		},
		Version: 2, OccurredAt: &at, ReceivedAt: noon.Add(time.Second),
	}, email.StatusEvent(&m, e, steps[1])))
	m, steps = fold(callback(0, "sent", ""))
	event := email.StatusEvent(&m, callback(0, "sent", ""), steps[0])
	require.Nil(t, event.Recipients)
}
