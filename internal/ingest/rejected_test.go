package ingest_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/ingest"
)

const samples = "waybill_ingest_rejected_samples_total"

func TestSampleHoldsNamesAndNoValues(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	r := twilioPost(statusPath+"?wb=ourownid&+15550100009&sig=secretvalue&a%20b=x", callback("sent"))
	r.body += "&Body=private"
	require.Equal(t, 401, send(t, h.addr, r.bytes()).status)
	require.Eventually(t, func() bool { return h.counters(t, samples)["published"] == 1 }, waitFor, tick)

	records := h.broker.on(events.TopicRejected)
	require.Len(t, records, 1)
	require.Equal(t, "twilio", string(records[0].Key))
	require.Equal(t, events.TypeRejected, records[0].Header("ce_type"))
	require.Equal(t, "1.0", records[0].Header("ce_specversion"))
	for _, private := range []string{"ourownid", "15550100009", "secretvalue", "private", "SM0123", account, r.get(signature)} {
		require.NotContains(t, string(records[0].Value), private)
	}
	var got ingest.Rejected
	require.NoError(t, json.Unmarshal(records[0].Value, &got))
	want := ingest.Rejected{
		Provider: events.Twilio, Kind: events.KindMessageStatus, Method: "POST", Path: statusPath,
		Query:   []string{"wb", "?", "sig", "?"},
		Headers: []string{"content-length", "content-type", "x-twilio-signature"}, Reason: "bad_signature", Status: 401,
	}
	require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreFields(ingest.Rejected{}, "At")))
	require.False(t, got.At.IsZero())
}

// A sample says which spelling of the URL was signed, without the URL.
func TestSampleTellsTheSpellingThatWasSigned(t *testing.T) {
	t.Parallel()
	for want, uris := range map[string]struct{ signed, sent string }{
		"the URL had no query":                                              {statusPath, statusPath + "?wb=7d4f"},
		"the path had a slash at its end":                                   {statusPath + "/", statusPath},
		"the query's parameters were in another order or escaped otherwise": {statusPath + "?a=1&b=2", statusPath + "?b=2&a=1"},
	} {
		h := open(t, nil)
		r := twilioPost(uris.signed, callback("sent"))
		r.uri = uris.sent
		require.Equal(t, 401, send(t, h.addr, r.bytes()).status)
		require.Eventually(t, func() bool { return h.counters(t, samples)["published"] == 1 }, waitFor, tick)
		var got ingest.Rejected
		require.NoError(t, json.Unmarshal(h.broker.on(events.TopicRejected)[0].Value, &got))
		require.Equal(t, "url_mismatch", got.Reason)
		require.Equal(t, want, got.Verdict)
	}
}

// A path that nobody has may be an address or a token itself.
func TestSampleOfAForeignPathHoldsOurOwnSegmentsAlone(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := dial(t, h.addr)
	c.write(request{method: "PRIVATE", uri: "/api/webhooks/ada@private.example/sms/15550100009/status"}.bytes())
	require.Equal(t, 404, c.answer(t).status)
	require.Eventually(t, func() bool { return h.counters(t, samples)["published"] == 1 }, waitFor, tick)
	var got ingest.Rejected
	require.NoError(t, json.Unmarshal(h.broker.on(events.TopicRejected)[0].Value, &got))
	require.Equal(t, "/api/webhooks/?/sms/?/status", got.Path)
	require.Equal(t, "?", got.Method)
}

// A flood of refused requests becomes two samples a second; the rest is
// counted. It does not take the place of another provider's.
func TestSamplesAreBounded(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.clock.stop()
	c := dial(t, h.addr)
	for range 20 {
		c.write(request{method: "GET", uri: "/x"}.bytes())
		require.Equal(t, 404, c.answer(t).status)
	}
	r := twilioPost(statusPath, callback("sent")).without(signature)
	require.Equal(t, 401, send(t, h.addr, r.bytes()).status)
	want := map[string]float64{"published": 3, "dropped": 18}
	require.Eventually(t, func() bool { return cmp.Equal(want, h.counters(t, samples)) }, waitFor, tick)
}
