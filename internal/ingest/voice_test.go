package ingest_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/provider"
)

const (
	voicePath      = "/api/webhooks/voice"
	callStatusPath = "/api/webhooks/voice/status"
	recordingPath  = "/api/webhooks/voice/recording"

	ourNumber     = "+15550100001"
	callsRejected = "waybill_ingest_calls_rejected_total"

	xmlHead = `<?xml version="1.0" encoding="UTF-8"?>`
	reject  = xmlHead + "<Response><Reject/></Response>"
)

// ringing is a call to a number.
func ringing(to string) url.Values {
	return url.Values{
		"AccountSid": {account}, "CallSid": {"CA0123456789abcdef0123456789abcdef"}, "CallStatus": {"ringing"}, "Direction": {"inbound"},
		"From": {"+15550100002"}, "To": {to},
	}
}

func senderRecord(t *testing.T, c *events.ConfigSender) events.Record {
	t.Helper()
	r, err := events.ConfigRecord(c.Key(), c, time.Now())
	require.NoError(t, err)
	return r
}

func TestCallsAreAnswered(t *testing.T) {
	t.Parallel()
	const where = "https://calls.example.com/in?a=1&b=<2>"
	h := open(t, func(s *setup) {
		s.signers = append(s.signers, senderRecord(t, &events.ConfigSender{ID: "1", Org: "o", Value: ourNumber, VoiceRedirect: where}))
	})
	dialled := ringing(ourNumber)
	dialled.Set("DialCallStatus", "busy")
	status := ringing(ourNumber)
	status.Set("CallStatus", "completed")
	for _, c := range []struct {
		name, path string
		params     url.Values
		kind       events.Kind
		status     int
		body       string
		rejected   bool
	}{
		{
			"a number with a voice URL", voicePath, ringing(ourNumber), events.KindCallInbound, 200,
			xmlHead + "<Response><Redirect>https://calls.example.com/in?a=1&amp;b=&lt;2&gt;</Redirect></Response>", false,
		},
		{
			"the same, spelled otherwise", voicePath, ringing("+1 555-010-0001"), events.KindCallInbound, 200,
			xmlHead + "<Response><Redirect>https://calls.example.com/in?a=1&amp;b=&lt;2&gt;</Redirect></Response>", false,
		},
		{"a number without", voicePath, ringing("+15550100009"), events.KindCallInbound, 200, reject, true},
		{"no number", voicePath, ringing(""), events.KindCallInbound, 200, reject, true},
		{"status", callStatusPath, status, events.KindCall, 204, "", false},
		{"result of a dialled leg", callStatusPath, dialled, events.KindDial, 200, xmlHead + "<Response/>", false},
		{"recording", recordingPath, status, events.KindRecording, 204, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			byGet := request{method: "GET", uri: c.path + "?" + c.params.Encode()}
			byGet = byGet.with(signature, twilioMAC(token, publicURL+byGet.uri, nil))
			for _, r := range []request{twilioPost(c.path, c.params), byGet} {
				turnedAway := h.counters(t, callsRejected)[""]
				before := len(h.broker.on(events.TopicRawTwilio))
				a := send(t, h.addr, r.bytes())
				require.Equal(t, c.status, a.status)
				require.Equal(t, c.body, a.body)
				if c.body != "" {
					require.Equal(t, "text/xml", a.header.Get("Content-Type"))
				}
				records := h.broker.on(events.TopicRawTwilio)
				require.Len(t, records, before+1)
				raw, err := events.DecodeRaw(&records[before])
				require.NoError(t, err)
				require.Equal(t, c.kind, raw.Kind)
				require.Equal(t, "CA0123456789abcdef0123456789abcdef", raw.Key)
				if c.rejected {
					turnedAway++
				}
				require.InDelta(t, turnedAway, h.counters(t, callsRejected)[""], 0)
			}
		})
	}
	require.Empty(t, h.counters(t, refused))
}

// Calls that are not Twilio's, or not of an account of ours, are refused as
// messages are.
func TestBadCalls(t *testing.T) {
	t.Parallel()
	stranger := ringing(ourNumber)
	stranger.Set("AccountSid", "ACffffffffffffffffffffffffffffffff")
	for _, path := range []string{voicePath, callStatusPath, recordingPath} {
		good := twilioPost(path, ringing(ourNumber))
		js := twilioJSON(path, `{"AccountSid":"`+account+`","CallSid":"CA0123456789abcdef0123456789abcdef"}`)
		swapped := js
		swapped.body = `{"AccountSid":"` + account + `","CallSid":"CA1123456789abcdef0123456789abcdef"}`
		for _, c := range []struct {
			name   string
			send   []byte
			status int
			count  string
		}{
			{"1 no signature", good.without(signature).bytes(), 401, "twilio/missing_signature"},
			{"2 a parameter", func() []byte { r := good; r.body += "&CallStatus=busy"; return r.bytes() }(), 401, "twilio/bad_signature"},
			{"2 the path", func() []byte { r := good; r.uri = statusPath; return r.bytes() }(), 401, "twilio/bad_signature"},
			{"6 unknown account", twilioPost(path, stranger).bytes(), 403, "twilio/unknown_account"},
			{"9 JSON, body changed", swapped.bytes(), 401, "twilio/bad_body_hash"},
			{"32 PUT", request{method: "PUT", uri: path}.bytes(), 405, "twilio/bad_method"},
			{"33 trailing slash", request{method: "POST", uri: path + "/"}.bytes(), 404, "none/unknown_path"},
			{"34 text", good.without("Content-Type").with("Content-Type", "text/plain").bytes(), 415, "twilio/content_type"},
		} {
			t.Run(path+" "+c.name, func(t *testing.T) {
				t.Parallel()
				h := open(t, nil)
				require.Equal(t, c.status, send(t, h.addr, c.send).status)
				h.refusedOnce(t, c.status, c.count)
				require.Empty(t, h.broker.on(events.TopicRawTwilio))
				require.Less(t, send(t, h.addr, good.bytes()).status, 300, "a good one right after")
				require.Less(t, send(t, h.addr, js.bytes()).status, 300)
				require.Len(t, h.broker.on(events.TopicRawTwilio), 2)
			})
		}
	}
}

// While it may be that a number's voice URL has not been heard of, a call is
// neither turned away nor kept: Twilio's fallback may know.
func TestCallsOfAnUnsureEdge(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.broker.sever(t)
	h.clock.advance(time.Minute)
	a := send(t, h.addr, twilioPost(voicePath, ringing(ourNumber)).bytes())
	require.Equal(t, 503, a.status)
	h.refusedOnce(t, 503, "twilio/unsure_number")
}

func TestVoiceURLs(t *testing.T) {
	t.Parallel()
	s := newShot(t)
	goes := func(want string, knowledge provider.Knowledge) {
		t.Helper()
		got, k := s.VoiceURL(ourNumber, account)
		require.Equal(t, want, got)
		require.Equal(t, knowledge, k)
	}
	at := func(d time.Duration) *time.Time { moment := s.at.Add(d); return &moment }
	goes("", provider.Unsure)
	s.fetch(nil, true)
	goes("", provider.Unknown)

	was := events.ConfigSender{ID: "1", Org: "a", Value: ourNumber, VoiceRedirect: "https://a", To: at(time.Minute)}
	next := events.ConfigSender{ID: "2", Org: "b", Value: ourNumber, VoiceRedirect: "https://b", From: at(time.Minute)}
	other := events.ConfigSender{ID: "3", Org: "b", Value: "+15550100009", VoiceRedirect: "https://c"}
	s.fetch([]events.Record{senderRecord(t, &was), senderRecord(t, &next), senderRecord(t, &other)}, true)
	goes("https://a", provider.Known)
	s.at = s.at.Add(time.Minute)
	goes("https://b", provider.Known) // the number has moved

	sharer := events.ConfigSender{ID: "4", Org: "c", Value: ourNumber, VoiceRedirect: "https://b"}
	s.fetch([]events.Record{senderRecord(t, &sharer)}, true)
	goes("https://b", provider.Known) // they agree
	sharer.VoiceRedirect = "https://d"
	s.fetch([]events.Record{senderRecord(t, &sharer)}, true)
	goes("", provider.Unknown)
	sharer.VoiceRedirect = ""
	s.fetch([]events.Record{senderRecord(t, &sharer)}, true)
	goes("https://b", provider.Known)

	// An account is told of the organisations alone that it signs for.
	signs := func(e *events.ConfigEntitlement) {
		c := events.ConfigSigner{Provider: "twilio", Name: account, SignsFor: e}
		r, err := events.ConfigRecord(c.Key(), &c, time.Now())
		require.NoError(t, err)
		s.fetch([]events.Record{r}, true)
	}
	signs(&events.ConfigEntitlement{})
	goes("", provider.Unknown)
	signs(&events.ConfigEntitlement{Orgs: []events.ConfigTenure{{Org: "a"}, {Org: "b", To: at(time.Second)}}})
	goes("https://b", provider.Known)
	s.at = s.at.Add(time.Second)
	goes("", provider.Unknown) // it moved to another organisation
	signs(&events.ConfigEntitlement{Orgs: []events.ConfigTenure{{Org: "b", From: at(0)}}})
	goes("https://b", provider.Known)
	signs(&events.ConfigEntitlement{Platform: true})
	goes("https://b", provider.Known)
	sharer.VoiceRedirect = "https://d"
	s.fetch([]events.Record{senderRecord(t, &sharer)}, true)
	goes("", provider.Unknown)
	signs(&events.ConfigEntitlement{Orgs: []events.ConfigTenure{{Org: "c"}}})
	goes("https://d", provider.Known) // of those who share it, the one that it signs for
	sharer.VoiceRedirect = ""
	s.fetch([]events.Record{senderRecord(t, &sharer)}, true)
	signs(nil)
	goes("https://b", provider.Known) // a router of an earlier version does not say

	bad := senderRecord(t, &next)
	bad.Value = []byte("{")
	s.fetch([]events.Record{bad}, true)
	goes("https://b", provider.Known)
	require.Len(t, s.log.with(t, "a config record of a sender cannot be read"), 1)
	s.fetch([]events.Record{{Topic: events.TopicConfig, Key: bad.Key}}, true)
	goes("", provider.Unknown) // removed by the tombstone
}
