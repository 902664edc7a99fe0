package voice_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/errorcode"
	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/voice"
)

const (
	org = events.OrgID("0d9b1c3e-0000-4000-8000-000000000001")
	row = events.RowID("0d9b1c3e-0000-4000-8000-000000000002")
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// callback returns what Twilio says of an outbound call at noon plus after.
func callback(after time.Duration, status, code string) *events.Call {
	return &events.Call{
		Kind: events.KindCall, Provider: events.Twilio, Org: org, Row: row, ProviderID: "CA1", Account: "AC1",
		Direction: events.Outbound, From: "+15005550006", To: "+15005550001",
		Status: status, ErrorCode: code, ReceivedAt: noon.Add(after),
	}
}

// contact returns what Amazon Connect says of a contact.
func contact(after time.Duration, status string, told ...facts.Fact) *events.Call {
	e := callback(after, status, "")
	e.Kind, e.Provider, e.ProviderID, e.Account, e.Facts = events.KindContact, events.Connect, "contact-1", "arn", told
	return e
}

// connected is the fact that a contact record updated at noon plus after tells.
func connected(after time.Duration) facts.Fact {
	return facts.Fact{Name: voice.AgentConnected, At: new(noon.Add(after))}
}

// sent returns what the sender recorded of the same call.
func sent(after time.Duration, status string) *events.Call {
	e := callback(after, status, "")
	e.Kind, e.SentAt = events.KindSend, new(noon.Add(-time.Second))
	e.MessageID, e.CampaignID, e.CustomerID = string(row), "campaign", "customer"
	return e
}

// fold applies the events in their order and returns the row and each step.
func fold(es ...*events.Call) (voice.Call, []events.Step) {
	var c voice.Call
	steps := make([]events.Step, len(es))
	exists := false
	for i, e := range es {
		c, steps[i] = voice.Fold(c, exists, e)
		exists = exists || steps[i].Outcome != events.Dead
	}
	return c, steps
}

// inEveryOrder folds the events in every order and calls fn with each row.
func inEveryOrder(es []*events.Call, fn func(voice.Call)) {
	var walk func(done, rest []*events.Call)
	walk = func(done, rest []*events.Call) {
		if len(rest) == 0 {
			c, _ := fold(done...)
			fn(c)
		}
		for i := range rest {
			others := append(append([]*events.Call{}, rest[:i]...), rest[i+1:]...)
			walk(append(append([]*events.Call{}, done...), rest[i]), others)
		}
	}
	walk(nil, es)
}

func bits(names ...string) (mask uint64) {
	for _, n := range names {
		s, ok := voice.Lookup(n)
		if !ok {
			panic(n)
		}
		mask |= 1 << s.Bit
	}
	return mask
}

func TestFirstEventMakesTheRow(t *testing.T) {
	t.Parallel()
	e := callback(0, "initiated", "")
	e.ParentID = "CA0"
	c, s := voice.Fold(voice.Call{To: "not looked at", Version: 7}, false, e)
	require.Empty(t, cmp.Diff(voice.Call{
		Org: org, ID: row, Provider: events.Twilio, ProviderID: "CA1", ParentID: "CA0", Account: "AC1",
		Direction: events.Outbound, From: "+15005550006", To: "+15005550001",
		State: state{"initiated", ""}, Version: 1, Reported: bits("initiated"),
		Origin: events.OriginExternal, ReceivedAt: noon, LastAt: noon,
	}, c))
	require.Equal(t, events.Step{Outcome: events.Applied, Transition: true, Changed: true, Version: 1, Status: "initiated"}, s)
}

// A stale event may bring nothing but a bit, or a time of the call's or of its
// recording's. Each must be written.
func TestWhatAStaleEventMayBring(t *testing.T) {
	t.Parallel()
	before := []*events.Call{callback(0, "completed", ""), callback(time.Hour, "completed", ""), recording(time.Minute, "completed")}
	for name, e := range map[string]*events.Call{
		"a bit":                        callback(time.Minute, "ringing", ""),
		"a later time of the call":     callback(2*time.Hour, "completed", ""),
		"an earlier time of the call":  callback(-time.Hour, "completed", ""),
		"a later time of a recording":  recording(2*time.Minute, "completed"),
		"an earlier time of recording": recording(time.Second, "completed"),
	} {
		_, steps := fold(append(before, e)...)
		require.Equal(t, events.Step{Outcome: events.Stale, Changed: true, Version: 1, Status: "completed"}, steps[3], name)
	}
	_, steps := fold(append(before, callback(time.Minute, "completed", ""))...)
	require.Equal(t, events.Step{Outcome: events.Stale, Version: 1, Status: "completed"}, steps[3], "nothing")
}

// The event answered is best effort; a call that completed without it was
// waited for as if it still rang.
func TestRegressionAnsweredMissing(t *testing.T) {
	t.Parallel()
	done := callback(time.Minute, "completed", "")
	done.Facts = []facts.Fact{{Name: facts.Duration, Value: "42"}}
	c, steps := fold(callback(0, "ringing", ""), done)
	require.Equal(t, state{"completed", ""}, c.State)
	require.Equal(t, bits("ringing", "completed"), voice.Reached(&c), "nothing is made up")
	require.Equal(t, "42", c.Facts[facts.Duration].Value)
	require.True(t, steps[1].Transition)
}

// A late ringing reopened a call that was over.
func TestRegressionALateRingingDoesNotReopenACompletedCall(t *testing.T) {
	t.Parallel()
	c, steps := fold(callback(0, "completed", ""), callback(time.Second, "ringing", ""))
	require.Equal(t, state{"completed", ""}, c.State)
	require.Equal(t, bits("ringing", "completed"), c.Reported)
	require.Equal(t, events.Step{Outcome: events.Stale, Changed: true, Version: 1, Status: "completed"}, steps[1], "the new bit must be written")
	require.Equal(t, noon.Add(time.Second), c.LastAt)
}

// The failure of a second leg was written over the first part's success,
// because both were kept as one call.
func TestRegressionASecondLegsFailureDoesNotHideTheFirstPartsSuccess(t *testing.T) {
	t.Parallel()
	leg := callback(time.Second, "busy", "486")
	leg.ProviderID, leg.ParentID = "CA2", "CA1"
	leg.Row = events.DeriveRowID(org, events.Twilio, leg.ProviderID)
	parent, _ := fold(callback(0, "in_progress", ""), callback(time.Minute, "completed", ""))
	child, _ := fold(leg)
	require.Equal(t, state{"completed", ""}, parent.State)
	require.Equal(t, state{"busy", "486"}, child.State)
	require.NotEqual(t, parent.ID, child.ID)
	require.Equal(t, parent.ProviderID, child.ParentID)

	// What the parent's own callbacks say of it afterwards is no better either.
	parent, _ = voice.Fold(parent, true, callback(2*time.Minute, "failed", "503"))
	require.Equal(t, state{"completed", ""}, parent.State)
}

// A contact that was disconnected before its answer became known stayed missed.
func TestRegressionConnectNoAnswerIsLiftedByALateConnect(t *testing.T) {
	t.Parallel()
	c, steps := fold(contact(0, "initiated"), contact(time.Second, "completed"), contact(2*time.Second, "in_progress"))
	require.Equal(t, []string{"initiated", "no_answer", "completed"}, []string{steps[0].Status, steps[1].Status, steps[2].Status})
	require.Equal(t, events.Step{Outcome: events.Applied, Transition: true, Changed: true, Version: 3, Status: "completed"}, steps[2])
	require.Equal(t, bits("initiated", "in_progress", "completed"), voice.Reached(&c))

	missed, _ := fold(contact(0, "initiated"), contact(time.Second, "completed"))
	require.Equal(t, bits("initiated", "no_answer"), voice.Reached(&missed))
	require.Equal(t, bits("initiated", "completed"), missed.Reported, "what was said is kept")

	inEveryOrder([]*events.Call{contact(0, "initiated"), contact(1, "in_progress"), contact(2, "completed"), contact(3, "completed")},
		func(c voice.Call) { require.Equal(t, state{"completed", ""}, c.State) })
}

func TestConnectNoAnswerIsLiftedByAContactRecord(t *testing.T) {
	t.Parallel()
	record := contact(time.Minute, "completed", connected(time.Minute))
	record.Kind = events.KindContactRecord
	c, steps := fold(contact(0, "completed"), record)
	require.Equal(t, "no_answer", steps[0].Status)
	require.Equal(t, "completed", c.Status)
	require.True(t, steps[1].Transition)
	require.Equal(t, bits("in_progress", "completed"), voice.Reached(&c), "the agent's connecting counts by either way")

	early, _ := fold(contact(0, "", connected(0)))
	require.Equal(t, "in_progress", early.Status, "the fact alone")
}

func TestAnAgentIsAMatterOfConnectAlone(t *testing.T) {
	t.Parallel()
	c, _ := fold(callback(0, "completed", ""))
	require.Equal(t, "completed", c.Status)
	e := callback(0, "ringing", "")
	e.Facts = []facts.Fact{connected(0)}
	c, _ = fold(e)
	require.Equal(t, "ringing", c.Status)
}

// The state keeps the code of the best report under either name.
func TestTheCodeOfAnUnansweredContact(t *testing.T) {
	t.Parallel()
	completed, missed := contact(0, "completed"), contact(time.Second, "no_answer")
	completed.ErrorCode, missed.ErrorCode = "480", "404"
	inEveryOrder([]*events.Call{completed, missed}, func(c voice.Call) { require.Equal(t, state{"no_answer", "480"}, c.State) })
	inEveryOrder([]*events.Call{completed, missed, contact(0, "in_progress")},
		func(c voice.Call) { require.Equal(t, state{"completed", "480"}, c.State) })

	rang := contact(0, "ringing")
	rang.ErrorCode = "487"
	inEveryOrder([]*events.Call{rang, contact(0, "", connected(0))},
		func(c voice.Call) { require.Equal(t, state{"in_progress", ""}, c.State) })
}

// A contact record is sent again on every later change, and an older one may
// come last.
func TestRegressionAnOlderContactRecordDoesNotWin(t *testing.T) {
	t.Parallel()
	updated := func(minutes int, seconds string) *events.Call {
		at := noon.Add(time.Duration(minutes) * time.Minute)
		e := contact(0, "completed", facts.Fact{Name: facts.Duration, Value: seconds, At: &at})
		e.Kind, e.OccurredAt = events.KindContactRecord, &at
		return e
	}
	inEveryOrder([]*events.Call{updated(1, "99"), updated(3, "42"), updated(2, "7")}, func(c voice.Call) {
		require.Equal(t, "42", c.Facts[facts.Duration].Value)
		require.Equal(t, noon.Add(3*time.Minute), *c.OccurredAt)
	})
}

func TestSendersHaveWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"accepted": "queued", "sent": "initiated", "intended": "intended", "failed": "failed"} {
		c, steps := fold(sent(0, word))
		require.Equal(t, want, c.Status)
		require.Equal(t, bits(want), c.Reported)
		require.Equal(t, events.Applied, steps[0].Outcome)
	}
	_, steps := fold(callback(0, "accepted", ""))
	require.Equal(t, events.Dead, steps[0].Outcome, "Twilio has no such word")
}

func TestCallbackBeforeSendRecord(t *testing.T) {
	t.Parallel()
	c, steps := fold(callback(0, "completed", ""), sent(time.Second, "accepted"))
	require.Equal(t, state{"completed", ""}, c.State)
	require.Equal(t, "campaign", c.CampaignID)
	require.Equal(t, "customer", c.CustomerID)
	require.Equal(t, events.OriginSend, c.Origin)
	require.Equal(t, noon.Add(-time.Second), *c.SentAt)
	require.Equal(t, events.Applied, steps[1].Outcome)
	require.False(t, steps[1].Transition, "a description is no transition")
}

func TestIntendedCallGetsItsProvidersID(t *testing.T) {
	t.Parallel()
	intent := sent(0, "intended")
	intent.ProviderID, intent.SentAt, intent.Provider = "", nil, events.Sender
	c, _ := fold(intent, sent(time.Second, "accepted"), callback(2*time.Second, "initiated", ""))
	require.Equal(t, "CA1", c.ProviderID)
	require.Equal(t, events.Twilio, c.Provider, "a sender is no carrier")
	require.Equal(t, state{"initiated", ""}, c.State)
	require.EqualValues(t, 3, c.Version)
}

func TestCallbackCannotNameTheCampaign(t *testing.T) {
	t.Parallel()
	e := callback(0, "ringing", "")
	e.MessageID, e.CampaignID, e.CustomerID, e.SentAt = "echoed", "echoed", "echoed", &noon
	c, _ := fold(e)
	require.Empty(t, c.MessageID+c.CampaignID+c.CustomerID)
	require.Nil(t, c.SentAt)
}

func TestInboundCall(t *testing.T) {
	t.Parallel()
	e := callback(0, "ringing", "")
	e.Kind, e.Direction = events.KindCallInbound, events.Inbound
	c, _ := fold(e)
	require.Equal(t, events.OriginInbound, c.Origin)
	require.Equal(t, events.Inbound, c.Direction)
}

func TestFactsAloneAreAppliedWithoutATransition(t *testing.T) {
	t.Parallel()
	amd := callback(time.Second, "", "")
	amd.Facts = []facts.Fact{{Name: "answered_by", Value: "human"}}
	c, steps := fold(callback(0, "in_progress", ""), amd)
	require.Equal(t, events.Step{Outcome: events.Applied, Changed: true, Version: 1, Status: "in_progress"}, steps[1])
	require.Equal(t, "human", c.Facts["answered_by"].Value)

	c, steps = fold(amd)
	require.Equal(t, state{"queued", ""}, c.State, "the provider has the call, more is not said")
	require.True(t, steps[0].Transition)

	inEveryOrder([]*events.Call{sent(0, "intended"), amd}, func(c voice.Call) { require.Equal(t, "queued", c.Status) })
}

func TestWhatMakesNoSenseIsDead(t *testing.T) {
	t.Parallel()
	before, _ := fold(callback(0, "ringing", ""), recording(0, "in_progress"))
	unknown, nameless := recording(time.Hour, "paused"), recording(time.Hour, "completed")
	nameless.Recording.ProviderID = ""
	mixed := recording(time.Hour, "")
	mixed.Status = "completed"
	for _, e := range []*events.Call{
		callback(time.Hour, "", "486"), callback(time.Hour, "teleported", "486"), callback(time.Hour, "in-progress", ""),
		unknown, nameless, mixed,
	} {
		after, s := voice.Fold(before, true, e)
		require.Empty(t, cmp.Diff(before, after))
		require.Equal(t, events.Step{Outcome: events.Dead, Reason: "unknown_status", Version: 1, Status: "ringing"}, s)
	}
}

func TestTheSameEventAgainChangesNothing(t *testing.T) {
	t.Parallel()
	e := sent(0, "accepted")
	at := noon.Add(1234567 * time.Nanosecond)
	e.SentAt, e.OccurredAt, e.ReceivedAt = &at, &at, at
	e.Recording = &events.Recording{
		ProviderID: "RE1", Status: "completed", ErrorCode: "x", Duration: 42, Channels: 2,
		Source: "DialVerb", Track: "both", Location: "https://api.example.com/RE1", StartedAt: &at,
	}
	before, _ := fold(e)
	after, s := voice.Fold(before, true, e)
	require.Empty(t, cmp.Diff(before, after))
	require.Equal(t, events.Step{Outcome: events.Stale, Version: 1, Status: "queued"}, s)
}

// PostgreSQL keeps microseconds; a row read back must still equal its event.
func TestTimesAreKeptToTheMillisecond(t *testing.T) {
	t.Parallel()
	e := sent(0, "accepted")
	at := noon.Add(1234567 * time.Nanosecond)
	e.SentAt, e.OccurredAt, e.ReceivedAt = &at, &at, at
	e.Recording = recording(0, "completed").Recording
	e.Recording.StartedAt = &at
	c, _ := fold(e)
	r := c.Recordings["RE1"]
	want := noon.Add(time.Millisecond)
	for _, got := range []time.Time{*c.SentAt, *c.OccurredAt, c.ReceivedAt, c.LastAt, *r.StartedAt, r.ReceivedAt, r.LastAt} {
		require.Equal(t, want, got)
	}
}

func TestStatusEvent(t *testing.T) {
	t.Parallel()
	e := callback(time.Second, "busy", "486")
	e.OccurredAt = new(noon.Add(500*time.Millisecond + 1))
	c, steps := fold(sent(0, "accepted"), e)
	require.Empty(t, cmp.Diff(events.Status{
		Org: org, ID: row, MessageID: string(row), ProviderID: "CA1", Channel: events.Voice,
		CampaignID: "campaign", CustomerID: "customer", Status: "busy", ErrorCode: "486",
		ErrorClass: errorcode.Unreachable, Version: 2, OccurredAt: new(noon.Add(500 * time.Millisecond)), ReceivedAt: noon.Add(time.Second),
	}, voice.StatusEvent(&c, e, steps[1])))
}
