package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/simulate"
)

const (
	voicePath      = "/api/webhooks/voice"
	callStatusPath = "/api/webhooks/voice/status"
	recordingPath  = "/api/webhooks/voice/recording"
)

// callAt is when the calls of these tests begin, by Twilio's clock.
var callAt = time.Now().Add(-time.Minute).Truncate(time.Second).UTC()

// progress is the form of a call's progress: the n-th thing that happened to it.
func progress(from tenant, sid, status string, n int, more ...string) url.Values {
	return with(url.Values{
		"CallSid": {sid}, "AccountSid": {from.Account}, "From": {from.number}, "To": {person}, "Direction": {"outbound-api"},
		"CallStatus": {status}, "CallbackSource": {"call-progress-events"}, "SequenceNumber": {strconv.Itoa(n)},
		"Timestamp": {callAt.Add(time.Duration(n) * time.Second).Format(time.RFC1123Z)},
	}, more...)
}

func recording(from tenant, call, sid, status string, more ...string) url.Values {
	return with(url.Values{
		"CallSid": {call}, "AccountSid": {from.Account}, "RecordingSid": {sid}, "RecordingStatus": {status}, "ErrorCode": {"0"},
		"RecordingUrl": {"https://api.twilio.com/" + sid}, "RecordingSource": {"OutboundAPI"}, "RecordingChannels": {"1"},
	}, more...)
}

// outboundCall is what Twilio says of a call that is answered, recorded and over.
func (h *house) outboundCall(sid, rec string) []simulate.Request {
	said := func(status string, n int, more ...string) simulate.Request {
		return h.a.Sign(callStatusPath, progress(h.a, sid, status, n, more...))
	}
	return []simulate.Request{
		said("initiated", 0), said("ringing", 1), said("in-progress", 2),
		said("completed", 3, "CallDuration", "49", "Duration", "1", "AnsweredBy", "human", "SipResponseCode", "200"),
		h.a.Sign(recordingPath, recording(h.a, sid, rec, "in-progress")),
		h.a.Sign(recordingPath, recording(h.a, sid, rec, "completed", "RecordingDuration", "47")),
	}
}

// dialOut records a call as its sender would.
func (h *house) dialOut(sid string) {
	h.t.Helper()
	h.record(events.Send{
		Org: events.OrgID(h.a.org), Channel: events.Voice, Provider: events.Twilio, Account: h.a.Account, ProviderID: sid,
		From: h.a.number, To: person,
	})
}

// answered requires that a call's row says all that its callbacks said.
func (h *house) answered(sid, rec string) history.Resource {
	h.t.Helper()
	h.settled(sid, 7) // with the send
	r := h.row(sid, "completed")
	require.Equal(h.t, h.a.org, string(r.Org))
	require.Equal(h.t, events.Outbound, r.Direction)
	require.Empty(h.t, r.ErrorCode, "200 is no error")
	require.EqualValues(h.t, 49, r.Facts["duration"])
	require.Equal(h.t, "human", r.Facts["answered_by"])
	require.Equal(h.t, callAt.Add(3*time.Second), r.OccurredAt.UTC())
	h.recorded(sid, rec, "completed", 47)
	return r
}

// recorded requires one recording of a call.
func (h *house) recorded(call, rec, status string, seconds int64) {
	h.t.Helper()
	h.until(func() error {
		var gotStatus, location string
		var length int64
		err := h.sql.QueryRow(h.t.Context(), `SELECT r.status, r.duration_seconds, r.location FROM call_recordings r
			JOIN calls c ON c.org_id = r.org_id AND c.id = r.call_id WHERE c.provider_id = $1 AND r.provider_id = $2`, call, rec).
			Scan(&gotStatus, &length, &location)
		if err == nil && (gotStatus != status || length != seconds || location != "https://api.twilio.com/"+rec) {
			err = fmt.Errorf("the recording is %s, %d s, at %s", gotStatus, length, location)
		}
		return err
	})
}

func (h *house) sends(requests []simulate.Request) {
	h.t.Helper()
	for _, r := range requests {
		h.call(r, http.StatusNoContent)
	}
}

func TestAnOutboundCall(t *testing.T) {
	open(t).playsAnOutboundCall()
}

func (h *house) playsAnOutboundCall() {
	t := h.t
	t.Helper()
	sid, rec := h.id("CA"), h.id("RE")
	h.dialOut(sid)
	h.row(sid, "queued")
	said := h.outboundCall(sid, rec)
	h.sends(said)
	before := h.answered(sid, rec)
	var order []string
	for _, s := range h.story(sid).StatusEvents {
		order = append(order, s.Status)
	}
	require.Equal(t, []string{"queued", "initiated", "ringing", "in_progress", "completed"}, order)

	h.sends(said) // repeats
	for _, e := range h.story(sid).Events {
		if e.Type != string(events.KindSend) {
			h.event(sid, func(again *history.Event) bool { return again.ID == e.ID && again.Duplicates == 1 })
		}
	}
	require.Equal(t, before, h.answered(sid, rec))
}

// Whatever order its callbacks come in, before its send is recorded or after:
// a call's row says the same.
func TestAnyOrderOfACallEndsTheSame(t *testing.T) {
	h := open(t)
	const calls = 12
	var sids, recs []string
	for n := range calls {
		sid, rec := h.id("CA"), h.id("RE")
		sids, recs = append(sids, sid), append(recs, rec)
		said := h.outboundCall(sid, rec)
		at := n % (len(said) + 1) // the send comes before the at-th
		random := rand.New(rand.NewPCG(uint64(n), 7))
		random.Shuffle(len(said), func(i, j int) { said[i], said[j] = said[j], said[i] })
		h.sends(said[:at])
		h.dialOut(sid)
		h.sends(said[at:])
	}
	for n := range calls {
		h.answered(sids[n], recs[n])
	}
	require.Empty(t, h.heldOf(sids))
}

// heldOf returns the held events that name one of the ids.
func (h *house) heldOf(ids []string) (out []history.Held) {
	for id, held := range h.held() {
		for _, sid := range ids {
			if strings.Contains(string(id), sid) {
				out = append(out, held)
			}
		}
	}
	return out
}

func TestAnEarlyCallCallbackIsReleasedByItsSend(t *testing.T) {
	h := open(t)
	sid := h.id("CA")
	h.call(h.a.Sign(callStatusPath, progress(h.a, sid, "no-answer", 2, "SipResponseCode", "487")), http.StatusNoContent)
	e := h.event(sid, func(e *history.Event) bool { return e.Outcome == events.Parked })
	require.Equal(t, "no_mapping", e.Reason)
	h.dialOut(sid)
	r := h.row(sid, "no_answer")
	require.Equal(t, "487", r.ErrorCode)
	e = h.event(sid, func(e *history.Event) bool { return e.Outcome == events.Applied && e.Type == string(events.KindCall) })
	require.Equal(t, "resource", e.ResolvedBy)
	require.Empty(t, h.heldOf([]string{sid}))
}

// A sender that puts its own id into the callback's URL need not tell the call's.
func TestACallFindsAnIntendedSendByItsEcho(t *testing.T) {
	h := open(t)
	sid, message := h.id("CA"), uuid.NewString()
	h.record(events.Send{
		Org: events.OrgID(h.a.org), Channel: events.Voice, Provider: events.Twilio, Account: h.a.Account, MessageID: message,
		From: h.a.number, To: person,
	})
	h.call(h.a.Sign(callStatusPath+"?wb="+message, progress(h.a, sid, "ringing", 1)), http.StatusNoContent)
	r := h.row(sid, "ringing")
	require.Equal(t, message, r.ID)
}

// ask sends a request as Twilio does and returns what it is told to do.
func (h *house) ask(r simulate.Request) string {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), r.Method, h.ready.HTTPURL+r.Path, bytes.NewReader(r.Body))
	require.NoError(h.t, err)
	req.Header = r.Header
	resp, err := h.admin.Do(req)
	require.NoError(h.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(h.t, err)
	require.Equal(h.t, http.StatusOK, resp.StatusCode, string(body))
	require.Equal(h.t, "text/xml", resp.Header.Get("Content-Type"))
	return string(body)
}

// incoming is what Twilio says of a call to a number of ours.
func incoming(to tenant, number, sid, status string, more ...string) url.Values {
	return with(url.Values{
		"CallSid": {sid}, "AccountSid": {to.Account}, "From": {person}, "To": {number}, "Direction": {"inbound"}, "CallStatus": {status},
		"StirVerstat": {"TN-Validation-Passed-A"},
	}, more...)
}

// A call to one of our numbers goes where the number's voice URL says. Its own
// status, the leg that it is put through to, and the recording find it in any
// order: before anybody said whose the call is, they wait.
func TestAnInboundCall(t *testing.T) {
	open(t).playsAnInboundCall()
}

func (h *house) playsAnInboundCall() {
	const goes = "https://calls.example.com/in?a=1&b=2"
	t := h.t
	t.Helper()
	number := fmt.Sprintf("+1202%010d", time.Now().UnixNano()%1e10) // never used before
	_, err := h.onboard.PlaceSender(t.Context(), operate.Sender{Value: number, Org: h.a.org, VoiceRedirect: goes})
	require.NoError(t, err)
	const answer = `<?xml version="1.0" encoding="UTF-8"?><Response><Redirect>https://calls.example.com/in?a=1&amp;b=2</Redirect></Response>`
	h.until(func() error { // until ingest has heard of the number
		if said := h.ask(h.a.Sign(voicePath, incoming(h.a, number, h.id("CA"), "ringing"))); said != answer {
			return fmt.Errorf("Twilio is told %s", said)
		}
		return nil
	})
	type step struct {
		request simulate.Request
		answer  string
	}
	for n := range 6 {
		sid, leg, rec := h.id("CA"), h.id("CA"), h.id("RE")
		dial := incoming(h.a, number, sid, "in-progress", "DialCallSid", leg, "DialCallStatus", "completed", "DialCallDuration", "31")
		legSaid := progress(h.a, leg, "ringing", 1, "ParentCallSid", sid, "Direction", "outbound-dial", "From", person, "To", h.b.number)
		steps := []step{
			{h.a.Sign(voicePath, incoming(h.a, number, sid, "ringing")), answer},
			{h.a.Sign(callStatusPath, legSaid), ""},
			{h.a.Sign(callStatusPath, dial), `<?xml version="1.0" encoding="UTF-8"?><Response/>`},
			{h.a.Sign(callStatusPath, incoming(h.a, number, sid, "completed", "CallDuration", "40")), ""},
			{h.a.Sign(recordingPath, recording(h.a, sid, rec, "completed", "RecordingDuration", "30", "RecordingSource", "DialVerb")), ""},
		}
		if n > 0 {
			random := rand.New(rand.NewPCG(uint64(n), 9))
			random.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
		}
		for _, s := range steps {
			if s.answer == "" {
				h.call(s.request, http.StatusNoContent)
				continue
			}
			require.Equal(t, s.answer, h.ask(s.request))
		}
		h.settled(sid, 3)
		r := h.row(sid, "completed")
		require.Equal(t, h.a.org, string(r.Org))
		require.Equal(t, events.Inbound, r.Direction)
		require.Equal(t, events.OriginInbound, r.Origin)
		require.EqualValues(t, 40, r.Facts["duration"])
		require.Equal(t, "TN-Validation-Passed-A", r.Facts["stir_verstat"])
		h.recorded(sid, rec, "completed", 30)

		h.settled(leg, 2)
		dialled := h.row(leg, "completed")
		require.Equal(t, h.a.org, string(dialled.Org), "the leg is its call's, whatever numbers it names")
		require.NotEqual(t, r.ID, dialled.ID)
		require.EqualValues(t, 31, dialled.Facts["duration"])
		require.Equal(t, events.Outbound, dialled.Direction)
		var parent string
		require.NoError(t, h.sql.QueryRow(t.Context(), "SELECT parent_id FROM calls WHERE provider_id = $1", leg).Scan(&parent))
		require.Equal(t, sid, parent)
		require.Empty(t, h.heldOf([]string{sid, leg, rec}))
	}
}

// Where a number's calls are answered by somebody else, their status alone tells
// of them. It waits for no send record: none will come.
func TestAnInboundCallOfWhichOnlyTheEndIsTold(t *testing.T) {
	h := open(t)
	sid := h.id("CA")
	h.call(h.a.Sign(callStatusPath, incoming(h.a, h.a.number, sid, "completed", "CallDuration", "12")), http.StatusNoContent)
	r := h.row(sid, "completed")
	require.Equal(t, h.a.org, string(r.Org))
	require.Equal(t, events.OriginInbound, r.Origin)
	require.Empty(t, h.heldOf([]string{sid}))
}

// A call to a number without a voice URL is turned away, and is on record.
func TestAnInboundCallThatNobodyTakes(t *testing.T) {
	h := open(t)
	sid := h.id("CA")
	require.Contains(t, h.ask(h.b.Sign(voicePath, incoming(h.b, h.b.number, sid, "ringing"))), "<Response><Reject/></Response>")
	require.Equal(t, h.b.org, string(h.row(sid, "ringing").Org))
	h.good()
}

// Row 7, of calls: organisation A signs for what is B's.
func TestBadInput7ForeignCalls(t *testing.T) {
	h := open(t)
	sid, leg := h.id("CA"), h.id("CA")
	h.ask(h.b.Sign(voicePath, incoming(h.b, h.b.number, sid, "ringing")))
	row := h.row(sid, "ringing")
	quarantined := []string{`waybill_org_boundary_violations_total{kind="signer_not_entitled"}`, `waybill_router_held_total{provider="twilio",state="quarantined"}`}
	for _, c := range []struct {
		about   string
		request simulate.Request
	}{
		{sid, h.a.Sign(callStatusPath, progress(h.a, sid, "completed", 3, "From", h.b.number))},
		{leg, h.a.Sign(callStatusPath, progress(h.a, leg, "ringing", 0, "ParentCallSid", sid))},
		{sid, h.a.Sign(recordingPath, recording(h.a, sid, h.id("RE"), "completed"))},
	} {
		h.moves(func() {
			h.call(c.request, http.StatusNoContent)
			h.event(c.about, func(e *history.Event) bool { return e.Outcome == events.Quarantined && e.VerifiedAs == h.a.Account })
		}, quarantined...)
	}
	require.Equal(t, row, h.row(sid, "ringing"))
}

// callInputs are bad callbacks of calls under a good signature.
func callInputs(h *house) []badInput {
	var list []badInput
	add := func(name, path string, form url.Values, about string, answer int, outcome events.Outcome, reason string) {
		in := badInput{name: name, request: h.a.Sign(path, form), answer: answer, about: about, outcome: outcome, reason: reason}
		if outcome == events.Dead {
			in.moved = []string{deadTwilio}
		}
		list = append(list, in)
	}
	made := func() string {
		sid := h.id("CA")
		h.dialOut(sid)
		h.row(sid, "queued")
		return sid
	}
	status := func(name, reason string, change func(url.Values)) {
		sid := made()
		form := progress(h.a, sid, "ringing", 1)
		change(form)
		outcome := events.Dead
		if reason == "" {
			outcome = events.Applied
		}
		add(name, callStatusPath, form, sid, http.StatusNoContent, outcome, reason)
	}
	status("4 CallStatus twice", "repeated_parameter", func(f url.Values) { f.Add("CallStatus", "busy") })
	status("35 NUL in a call's status", "unknown_status", func(f url.Values) { f.Set("CallStatus", "ringing\x00") })
	status("35 a call's address of 100 KiB", "oversized_address", func(f url.Values) { f.Set("To", strings.Repeat("1", 100<<10)) })
	status("35 a sequence that is no number", "bad_sequence_number", func(f url.Values) { f.Set("SequenceNumber", "1e999") })
	status("35 NUL and invalid UTF-8 in what is told beside", "", func(f url.Values) {
		f.Set("AnsweredBy", "\x00\xff")
		f.Set("CallDuration", "1e999")
		f.Set("Timestamp", "\u202e"+strings.Repeat("(", 100<<10))
		f.Set("From", "\u202e+1\x00202\xff")
	})
	sid := h.id("CA")
	add("35 an inbound call of no kind", voicePath, incoming(h.a, h.a.number, sid, "teleported"), sid, http.StatusOK, events.Dead, "unknown_status")
	sid = made()
	add("35 a recording of no kind", recordingPath, recording(h.a, sid, h.id("RE"), "lost\xff"), sid, http.StatusNoContent, events.Dead, "unknown_status")
	sid = made()
	add("35 a dialled leg of no kind", callStatusPath, progress(h.a, sid, "in-progress", 2, "DialCallSid", h.id("CA"), "DialCallStatus", "lost"), "",
		http.StatusOK, events.Dead, "unknown_status")
	return list
}

func TestBadInputsOfCalls(t *testing.T) {
	for _, in := range callInputs(open(t)) {
		t.Run(in.name, func(t *testing.T) {
			h := open(t)
			before := h.held()
			h.moves(func() { h.call(in.request, in.answer); in.cameTrue(h, before) }, in.moved...)
		})
	}
}
