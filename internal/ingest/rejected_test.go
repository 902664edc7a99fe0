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
	r := twilioPost(statusPath+"?wb=0001&+15550100009&sig=secretvalue&a%20b=x", callback("sent"))
	r.body += "&Body=private"
	require.Equal(t, 401, send(t, h.addr, r.bytes()).status)
	require.Eventually(t, func() bool { return h.counters(t, samples)["published"] == 1 }, waitFor, tick)

	records := h.broker.on(events.TopicRejected)
	require.Len(t, records, 1)
	require.Equal(t, "twilio", string(records[0].Key))
	require.Equal(t, events.TypeRejected, records[0].Header("ce_type"))
	require.Equal(t, "1.0", records[0].Header("ce_specversion"))
	for _, private := range []string{"0001", "555", "secretvalue", "private", "SM0123", account, r.get(signature)} {
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

// A flood of refused requests becomes a few samples a second; the rest is counted.
func TestSamplesAreBounded(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	const flood = 50
	c := dial(t, h.addr)
	for range flood {
		c.write(request{method: "GET", uri: "/x"}.bytes())
		require.Equal(t, 404, c.answer(t).status)
	}
	require.Eventually(t, func() bool {
		n := h.counters(t, samples)
		return n["published"]+n["dropped"] == flood
	}, waitFor, tick)
	// Two a second; a slow machine may need some seconds for the flood.
	require.LessOrEqual(t, h.counters(t, samples)["published"], 12.0)
	require.GreaterOrEqual(t, h.counters(t, samples)["published"], 2.0)
}
