package twilio_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/twilio"
	"waybill/internal/tenantmap"
)

const (
	callID      = "CA00000000000000000000000000000005"
	legID       = "CA00000000000000000000000000000007"
	recordingID = "RE00000000000000000000000000000006"

	voiceURI       = "/api/webhooks/voice"
	callStatusURI  = "/api/webhooks/voice/status"
	recordingURI   = "/api/webhooks/voice/recording"
	ourNumber      = "+15550100001"
	somebodyNumber = "+15550100002"
	recordingAt    = "https://api.twilio.com/2010-04-01/Accounts/" + account + "/Recordings/" + recordingID
)

// changed returns pairs with some of the values replaced or added; a value of
// "-" takes the name away.
func changed(pairs []string, more ...string) string {
	values := map[string]string{}
	var names []string
	for _, list := range [][]string{pairs, more} {
		for i := 0; i < len(list); i += 2 {
			if _, there := values[list[i]]; !there {
				names = append(names, list[i])
			}
			values[list[i]] = list[i+1]
		}
	}
	var out []string
	for _, n := range names {
		if values[n] != "-" {
			out = append(out, n, values[n])
		}
	}
	return form(out...)
}

func progressForm(more ...string) string {
	return changed([]string{
		"AccountSid", account, "ApiVersion", "2010-04-01", "CallSid", callID, "From", ourNumber, "To", somebodyNumber,
		"Direction", "outbound-api", "CallStatus", "in-progress", "CallbackSource", "call-progress-events", "SequenceNumber", "2",
		"Timestamp", "Mon, 23 Nov 2026 09:52:30 +0000",
	}, more...)
}

func dialForm(more ...string) string {
	return changed([]string{
		"AccountSid", account, "CallSid", callID, "From", somebodyNumber, "To", ourNumber, "Direction", "inbound", "CallStatus", "in-progress",
		"DialCallSid", legID, "DialCallStatus", "no-answer", "DialCallDuration", "0",
	}, more...)
}

func recordingForm(more ...string) string {
	return changed([]string{
		"AccountSid", account, "CallSid", callID, "RecordingSid", recordingID, "RecordingStatus", "completed", "RecordingUrl", recordingAt,
		"RecordingDuration", "49", "RecordingChannels", "2", "RecordingSource", "DialVerb", "RecordingTrack", "both",
		"RecordingStartTime", "Mon, 23 Nov 2026 09:52:30 +0000", "ErrorCode", "0",
	}, more...)
}

func key(sid string) tenantmap.Key { return tenantmap.ResourceKey(events.Twilio, sid) }

func TestParseCall(t *testing.T) {
	t.Parallel()
	body := progressForm("CallStatus", "completed", "SequenceNumber", "3", "CallDuration", "49", "Duration", "1", "AnsweredBy", "human",
		"StirVerstat", "TN-Validation-Passed-A", "SipResponseCode", "200", "Timestamp", "Mon, 23 Nov 2026 10:53:19 +0100", "AddedYesterday", "x")
	got, err := parse(t, events.KindCall, callStatusURI+"?wb="+echo, body)
	require.NoError(t, err)
	at, three := time.Date(2026, 11, 23, 9, 53, 19, 0, time.UTC), 3
	want := provider.Parsed{
		EventID: eventPrefix + "call.status/" + callID + ":call-progress-events:3:completed",
		Evidence: tenantmap.Evidence{
			Provider: events.Twilio, Signer: account, ProviderID: callID, At: at,
			Resources: []tenantmap.Key{key(callID), tenantmap.EchoKey(echo)}, Senders: []tenantmap.Key{tenantmap.SenderKey(ourNumber)},
		},
		Call: &events.Call{
			Kind: events.KindCall, Provider: events.Twilio, ProviderID: callID, Account: account, Direction: events.Outbound,
			From: ourNumber, To: somebodyNumber, Status: "completed", Sequence: &three, OccurredAt: &at, ReceivedAt: received,
			Facts: []facts.Fact{
				{Name: "duration", Value: "49", At: &at},
				{Name: "answered_by", Value: "human", At: &at},
				{Name: "stir_verstat", Value: "TN-Validation-Passed-A", At: &at},
			},
		},
	}
	require.Empty(t, cmp.Diff(want, got))
}

func TestParseInboundCall(t *testing.T) {
	t.Parallel()
	body := form("AccountSid", account, "CallSid", callID, "CallStatus", "ringing", "Direction", "inbound", "From", somebodyNumber, "To", ourNumber,
		"StirVerstat", "TN-Validation-Failed-C", "CallToken", "%7B%22x%22%7D", "ForwardedFrom", "+15550100009")
	got, err := parse(t, events.KindCallInbound, voiceURI, body)
	require.NoError(t, err)
	want := provider.Parsed{
		EventID: eventPrefix + "call.received/" + callID,
		Evidence: tenantmap.Evidence{
			Provider: events.Twilio, Signer: account, ProviderID: callID, At: received, Person: somebodyNumber, Inbound: true,
			Resources: []tenantmap.Key{key(callID)}, Senders: []tenantmap.Key{tenantmap.SenderKey(ourNumber)},
		},
		Call: &events.Call{
			Kind: events.KindCallInbound, Provider: events.Twilio, ProviderID: callID, Account: account, Direction: events.Inbound,
			From: somebodyNumber, To: ourNumber, Status: "ringing", ReceivedAt: received,
			Facts: []facts.Fact{{Name: "stir_verstat", Value: "TN-Validation-Failed-C"}},
		},
	}
	require.Empty(t, cmp.Diff(want, got))
}

func TestParseDial(t *testing.T) {
	t.Parallel()
	got, err := parse(t, events.KindDial, callStatusURI+"?wb="+echo, dialForm("DialCallStatus", "completed", "DialCallDuration", "31",
		"AnsweredBy", "human", "StirVerstat", "TN-Validation-Passed-A", "SipResponseCode", "486", "DialSipResponseCode", "200"))
	require.NoError(t, err)
	want := provider.Parsed{
		EventID: eventPrefix + "call.dial/" + legID + ":completed",
		Evidence: tenantmap.Evidence{
			Provider: events.Twilio, Signer: account, ProviderID: legID, At: received,
			Resources: []tenantmap.Key{key(legID)}, Parents: []tenantmap.Key{key(callID), tenantmap.EchoKey(echo)},
		},
		Call: &events.Call{
			Kind: events.KindDial, Provider: events.Twilio, ProviderID: legID, ParentID: callID, Account: account, Direction: events.Outbound,
			Status: "completed", ReceivedAt: received, Facts: []facts.Fact{{Name: "duration", Value: "31"}},
		},
	}
	require.Empty(t, cmp.Diff(want, got))

	got, err = parse(t, events.KindDial, callStatusURI, dialForm("DialCallStatus", "busy", "DialSipResponseCode", "486"))
	require.NoError(t, err)
	require.Equal(t, "486", got.Call.ErrorCode)
	got, err = parse(t, events.KindDial, callStatusURI, dialForm("DialCallStatus", "answered", "DialCallDuration", "soon"))
	require.NoError(t, err)
	require.Equal(t, "in_progress", got.Call.Status)
	require.Empty(t, got.Call.Facts)

	// A <Dial> that made no leg says something of the call itself.
	got, err = parse(t, events.KindDial, callStatusURI, dialForm("DialCallSid", "-", "DialCallStatus", "failed"))
	require.NoError(t, err)
	require.Equal(t, events.EventID(eventPrefix+"call.dial/"+callID+":failed"), got.EventID)
	require.Equal(t, callID, got.Call.ProviderID)
	require.Empty(t, got.Call.ParentID)
	require.Equal(t, "in_progress", got.Call.Status)
	require.Equal(t, []facts.Fact{{Name: "dial_status", Value: "failed"}}, got.Call.Facts)
	require.Equal(t, []tenantmap.Key{key(callID)}, got.Evidence.Resources)
	require.Equal(t, somebodyNumber, got.Evidence.Person)
}

func TestParseRecording(t *testing.T) {
	t.Parallel()
	got, err := parse(t, events.KindRecording, recordingURI, recordingForm())
	require.NoError(t, err)
	at := time.Date(2026, 11, 23, 9, 52, 30, 0, time.UTC)
	want := provider.Parsed{
		EventID: eventPrefix + "call.recording/" + recordingID + ":completed",
		Evidence: tenantmap.Evidence{
			Provider: events.Twilio, Signer: account, ProviderID: callID, At: at, Resources: []tenantmap.Key{key(callID)},
		},
		Call: &events.Call{
			Kind: events.KindRecording, Provider: events.Twilio, ProviderID: callID, Account: account, ReceivedAt: received,
			Recording: &events.Recording{
				ProviderID: recordingID, Status: "completed", Duration: 49, Channels: 2, Source: "DialVerb", Track: "both",
				Location: recordingAt, StartedAt: &at,
			},
		},
	}
	require.Empty(t, cmp.Diff(want, got))
}

// The statuses with a hyphen are ours with an underscore.
func TestParseCallStatuses(t *testing.T) {
	t.Parallel()
	for said, status := range map[string]string{
		"queued": "queued", "initiated": "initiated", "ringing": "ringing", "in-progress": "in_progress", "completed": "completed",
		"busy": "busy", "failed": "failed", "no-answer": "no_answer", "canceled": "canceled",
	} {
		got, err := parse(t, events.KindCall, callStatusURI, progressForm("CallStatus", said))
		require.NoError(t, err)
		require.Equal(t, status, got.Call.Status)
	}
	for said, status := range map[string]string{"in-progress": "in_progress", "completed": "completed", "absent": "absent", "failed": "failed"} {
		got, err := parse(t, events.KindRecording, recordingURI, recordingForm("RecordingStatus", said))
		require.NoError(t, err)
		require.Equal(t, status, got.Call.Recording.Status)
		require.Empty(t, got.Call.Status, "a recording says nothing of its call's status")
	}
}

// An error code means an error.
func TestParseCallCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ errorCode, sip, want string }{
		{"-", "-", ""},
		{"", "", ""},
		{"0", "200", ""},
		{"-", "180", ""},
		{"-", "202", ""},
		{"-", "302", "302"},
		{"-", "486", "486"},
		{"0", "404", "404"},
		{"13224", "404", "13224"},
		{"13224", "200", "13224"},
		{"200", "-", "200"},
		{"11200x", "-", "11200x"},
	} {
		got, err := parse(t, events.KindCall, callStatusURI, progressForm("CallStatus", "failed", "ErrorCode", c.errorCode, "SipResponseCode", c.sip))
		require.NoError(t, err)
		require.Equal(t, c.want, got.Call.ErrorCode, c)
	}
	got, err := parse(t, events.KindRecording, recordingURI, recordingForm("RecordingStatus", "failed", "ErrorCode", "16102"))
	require.NoError(t, err)
	require.Equal(t, "16102", got.Call.Recording.ErrorCode)
	require.Empty(t, got.Call.ErrorCode)
}

// Repeats are one event, and what happened one after the other is not.
func TestCallEventIDs(t *testing.T) {
	t.Parallel()
	id := func(kind events.Kind, body string) events.EventID {
		t.Helper()
		got, err := parse(t, kind, callStatusURI, body)
		require.NoError(t, err)
		return got.EventID
	}
	seen := map[events.EventID]bool{}
	for _, c := range []struct {
		kind events.Kind
		body string
	}{
		{events.KindCall, progressForm("CallStatus", "ringing", "SequenceNumber", "1")},
		{events.KindCall, progressForm()},
		{events.KindCall, progressForm("SequenceNumber", "3")},
		{events.KindCall, progressForm("CallStatus", "completed", "SequenceNumber", "3")},
		{events.KindCall, progressForm("CallSid", legID, "ParentCallSid", callID)},
		{events.KindCall, progressForm("CallbackSource", "-", "SequenceNumber", "-", "CallStatus", "completed")},
		{events.KindCall, form("AccountSid", account, "CallSid", callID, "AnsweredBy", "human")},
		{events.KindCall, form("AccountSid", account, "CallSid", callID, "AnsweredBy", "machine_start")},
		{events.KindCallInbound, progressForm()},
		{events.KindDial, dialForm()},
		{events.KindDial, dialForm("DialCallStatus", "completed")},
		{events.KindDial, dialForm("DialCallSid", "-")},
		{events.KindRecording, recordingForm()},
		{events.KindRecording, recordingForm("RecordingStatus", "in-progress")},
	} {
		got := id(c.kind, c.body)
		require.False(t, seen[got], got)
		seen[got] = true
		require.Equal(t, got, id(c.kind, c.body+"&Added=later"))
	}
}

// Who answered may be told by itself: it is a fact and no status.
func TestParseAnsweredBy(t *testing.T) {
	t.Parallel()
	got, err := parse(t, events.KindCall, callStatusURI, form("AccountSid", account, "CallSid", callID, "AnsweredBy", "machine_end_beep"))
	require.NoError(t, err)
	require.Empty(t, got.Call.Status)
	require.Equal(t, []facts.Fact{{Name: "answered_by", Value: "machine_end_beep"}}, got.Call.Facts)
	require.Empty(t, got.Evidence.Senders)
}

// A completed call that was recorded names its recording.
func TestParseCallWithRecording(t *testing.T) {
	t.Parallel()
	got, err := parse(t, events.KindCall, callStatusURI, progressForm("CallStatus", "completed",
		"RecordingSid", recordingID, "RecordingUrl", recordingAt, "RecordingDuration", "12"))
	require.NoError(t, err)
	require.Equal(t, &events.Recording{ProviderID: recordingID, Status: "completed", Duration: 12, Location: recordingAt}, got.Call.Recording)
	require.Equal(t, "completed", got.Call.Status)
}

// Whose a call is follows from numbers that are ours; of a leg that is known of
// its call alone, because its From is whoever called first.
func TestCallEvidence(t *testing.T) {
	t.Parallel()
	ours, theirs := []tenantmap.Key{tenantmap.SenderKey(ourNumber)}, []tenantmap.Key{tenantmap.SenderKey(somebodyNumber)}
	for _, c := range []struct {
		name    string
		kind    events.Kind
		body    string
		senders []tenantmap.Key
		parents []tenantmap.Key
		person  string
	}{
		{"outbound", events.KindCall, progressForm(), ours, nil, ""},
		{"inbound", events.KindCall, progressForm("Direction", "inbound"), theirs, nil, ourNumber},
		{"no direction", events.KindCall, progressForm("Direction", "-"), nil, nil, ""},
		{"another direction", events.KindCall, progressForm("Direction", "trunking-originating"), nil, nil, ""},
		{"leg", events.KindCall, progressForm("CallSid", legID, "ParentCallSid", callID, "Direction", "outbound-dial"), nil, []tenantmap.Key{key(callID)}, ""},
		{"inbound, direction untold", events.KindCallInbound, progressForm("Direction", "-"), theirs, nil, ourNumber},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(t, c.kind, callStatusURI, c.body)
			require.NoError(t, err)
			require.Equal(t, c.senders, got.Evidence.Senders)
			require.Equal(t, c.parents, got.Evidence.Parents)
			require.Equal(t, c.person, got.Evidence.Person)
			require.Equal(t, c.person != "", got.Evidence.Inbound)
		})
	}
}

// What cannot be read beside the status is left out: the status counts.
func TestCallsAreWorthMoreThanTheirDetails(t *testing.T) {
	t.Parallel()
	for _, pairs := range [][]string{
		{"CallDuration", "-1"},
		{"CallDuration", "1e3"},
		{"CallDuration", "99999999999999999999"},
		{"CallDuration", ""},
		{"Timestamp", "yesterday"},
		{"Timestamp", "Mon, 23 Nov 0001 09:52:30 +0000"},
		{"Timestamp", "2026-11-23T09:52:30Z"},
		{"Timestamp", "Fri, 31 Dec 9999 23:59:59 -2359"},
		{"AnsweredBy", "a b"},
		{"StirVerstat", "\x00"},
		{"RecordingSid", "RE1"},
	} {
		got, err := parse(t, events.KindCall, callStatusURI, progressForm(pairs...))
		require.NoError(t, err, pairs)
		require.Equal(t, "in_progress", got.Call.Status)
		require.Empty(t, got.Call.Facts, pairs)
		require.Nil(t, got.Call.Recording)
		require.Equal(t, pairs[0] == "Timestamp", got.Call.OccurredAt == nil, pairs)
		_, err = got.Call.Record()
		require.NoError(t, err)
	}
	for _, pairs := range [][]string{
		{"RecordingUrl", "javascript:x"}, {"RecordingUrl", "/relative"}, {"RecordingUrl", "https://x/\x00\x7f"},
	} {
		got, err := parse(t, events.KindRecording, recordingURI, recordingForm(pairs...))
		require.NoError(t, err, pairs)
		require.Empty(t, got.Call.Recording.Location, pairs)
	}
	got, err := parse(t, events.KindRecording, recordingURI, recordingForm("RecordingUrl", "https://user:secret@example.com/r", "RecordingChannels", "x",
		"RecordingDuration", "-", "RecordingSource", "a b", "RecordingTrack", "\xff", "RecordingStartTime", "now"))
	require.NoError(t, err)
	require.Equal(t, &events.Recording{ProviderID: recordingID, Status: "completed", Location: "https://example.com/r"}, got.Call.Recording)
}

// A time of Twilio's that is ahead of ours does not choose who held a number.
func TestCallsAreNotDecidedInTheFuture(t *testing.T) {
	t.Parallel()
	got, err := parse(t, events.KindCall, callStatusURI, progressForm("Timestamp", "Tue, 24 Nov 2026 09:52:30 +0000"))
	require.NoError(t, err)
	require.Equal(t, received, got.Evidence.At)
	require.Equal(t, 24, got.Call.OccurredAt.Day())
}

func TestUnusableCalls(t *testing.T) {
	t.Parallel()
	twice := func(body string, pairs ...string) string { return body + "&" + form(pairs...) }
	status := "call.status/" + callID + ":call-progress-events:2:"
	for _, c := range []struct {
		name   string
		kind   events.Kind
		body   string
		reason string
		id     string // behind the prefix; "" = none
	}{
		{"unknown status", events.KindCall, progressForm("CallStatus", "teleported"), "unknown_status", status + "teleported"},
		{"ours for theirs", events.KindCall, progressForm("CallStatus", "no_answer"), "unknown_status", status + "no_answer"},
		{"no status", events.KindCall, progressForm("CallStatus", "-"), "unknown_status", ""},
		{"empty status beside who answered", events.KindCall, progressForm("CallStatus", "", "AnsweredBy", "human"), "unknown_status", ""},
		{"NUL in a status", events.KindCall, progressForm("CallStatus", "busy\x00"), "unknown_status", ""},
		{"status twice", events.KindCall, twice(progressForm(), "CallStatus", "busy"), "repeated_parameter", ""},
		{"status twice and equal", events.KindCall, twice(progressForm(), "CallStatus", "in-progress"), "repeated_parameter", ""},
		{"sequence twice", events.KindCall, twice(progressForm(), "SequenceNumber", "2"), "repeated_parameter", ""},
		{"duration twice", events.KindCall, twice(progressForm(), "CallDuration", "1", "CallDuration", "2"), "repeated_parameter", status + "in-progress"},
		{"sequence is no number", events.KindCall, progressForm("SequenceNumber", "two"), "bad_sequence_number", ""},
		{"sequence in another spelling", events.KindCall, progressForm("SequenceNumber", "02"), "bad_sequence_number", ""},
		{"sequence out of bounds", events.KindCall, progressForm("SequenceNumber", "2147483648"), "bad_sequence_number", ""},
		{"source", events.KindCall, progressForm("CallbackSource", "a:b"), "bad_callback_source", ""},
		{"code", events.KindCall, progressForm("SipResponseCode", "4 8 6"), "bad_error_code", status + "in-progress"},
		{"call", events.KindCall, progressForm("CallSid", "CA5"), "bad_sid", ""},
		{"a message", events.KindCall, progressForm("CallSid", messageID), "bad_sid", ""},
		{"parent", events.KindCall, progressForm("ParentCallSid", "CA1"), "bad_sid", status + "in-progress"},
		{"another account", events.KindCall, progressForm("AccountSid", "AC00000000000000000000000000000009"), "account_mismatch", status + "in-progress"},
		{"inbound, unknown status", events.KindCallInbound, progressForm("CallStatus", "teleported"), "unknown_status", "call.received/" + callID},
		{"inbound, no call", events.KindCallInbound, progressForm("CallSid", "-"), "bad_sid", ""},
		{"dial, unknown result", events.KindDial, dialForm("DialCallStatus", "lost"), "unknown_status", "call.dial/" + legID + ":lost"},
		{"dial, leg", events.KindDial, dialForm("DialCallSid", "x"), "bad_sid", ""},
		{"dial, no result", events.KindDial, dialForm("DialCallStatus", "-"), "unknown_status", ""},
		{"recording, unknown status", events.KindRecording, recordingForm("RecordingStatus", "lost"), "unknown_status", "call.recording/" + recordingID + ":lost"},
		{"recording, no id", events.KindRecording, recordingForm("RecordingSid", "-"), "bad_sid", ""},
		{"recording of a conference", events.KindRecording, recordingForm("CallSid", "-"), "bad_sid", ""},
		{"recording, id twice", events.KindRecording, twice(recordingForm(), "RecordingSid", recordingID), "repeated_parameter", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(t, c.kind, callStatusURI, c.body)
			require.Equal(t, fault.Invalid, fault.ClassOf(err))
			require.Equal(t, c.reason, fault.ReasonOf(err))
			require.Nil(t, got.Call)
			if c.id != "" {
				c.id = eventPrefix + c.id
			}
			require.Equal(t, events.EventID(c.id), got.EventID)
		})
	}
}

// The edge answers by what a request turned out to be, and by whom is called.
func TestVerifiedCalls(t *testing.T) {
	t.Parallel()
	tw := newTwilio(t)
	for _, c := range []struct {
		path      events.Kind
		uri, body string
		kind      events.Kind
		key       string
		called    string
	}{
		{events.KindCall, callStatusURI, progressForm(), events.KindCall, callID, ""},
		{events.KindCall, callStatusURI, dialForm(), events.KindDial, callID, ""},
		{events.KindRecording, recordingURI, recordingForm(), events.KindRecording, callID, ""},
		{events.KindCallInbound, voiceURI, progressForm("To", "+1 (555) 010-0001"), events.KindCallInbound, callID, ourNumber},
		{events.KindCallInbound, voiceURI, progressForm() + "&To=x", events.KindCallInbound, callID, ""},
		{events.KindCallInbound, voiceURI, dialForm(), events.KindCallInbound, callID, ourNumber},
	} {
		r := post(c.uri, c.body)
		r.Kind = c.path
		byGet := signed(baseURL+c.uri+"?"+c.body, c.uri+"?"+c.body, "")
		byGet.Kind, byGet.Method, byGet.Body = c.path, http.MethodGet, nil
		for _, r := range []*provider.Request{r, byGet} {
			v, err := tw.Verify(t.Context(), r, registered())
			require.NoError(t, err)
			require.Equal(t, c.kind, v.Kind)
			require.Equal(t, c.key, v.Key)
			require.Equal(t, c.called, v.Called)
			raw := rawOf(r)
			raw.Kind = v.Kind
			_, err = twilio.Parser{}.Parse(raw)
			require.Equal(t, c.body == progressForm()+"&To=x", err != nil, err)
		}
	}
}
