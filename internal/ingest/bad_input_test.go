package ingest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

// badInput is a row of the table of bad inputs, by its number there.
type badInput struct {
	name   string
	send   []byte
	status int
	count  string // provider/reason of the one counter that moves
	header map[string]string
}

func badInputs(t *testing.T, now time.Time) []badInput {
	t.Helper()
	return append(httpInputs(now), awsInputs(t)...)
}

// httpInputs are those of HTTP itself, Twilio and Stripe.
func httpInputs(now time.Time) []badInput {
	status := twilioPost(statusPath, callback("sent"))
	change := func(r request, edit func(*request)) []byte { edit(&r); return r.bytes() }
	flipped := []byte(status.get(signature))
	flipped[3] ^= 1

	merged := callback("sent")
	merged.Set("ErrorCode", "30003")
	mac := twilioMAC(token, publicURL+statusPath, merged)
	merged.Del("ErrorCode")
	merged.Set("AccountSid", account+"ErrorCode30003")

	stranger := callback("sent")
	stranger.Set("AccountSid", "ACffffffffffffffffffffffffffffffff")
	empty := callback("sent")
	empty.Set("AccountSid", emptyAccount)

	twoParams := twilioPost(statusPath+"?a=1&b=2", callback("sent"))
	js := twilioJSON(statusPath, `{"AccountSid":"`+account+`","MessageSid":"SM1"}`)
	event := stripePost(now, stripeBody)
	stripeSigned := func(value string) []byte {
		return event.without("Stripe-Signature").with("Stripe-Signature", value).bytes()
	}
	ts := fmt.Sprintf("t=%d", now.Unix())
	values := strings.Repeat(",v1="+strings.Repeat("0", 64), 10_000)
	chunked := func(size int) []byte {
		r := event.with("Transfer-Encoding", "chunked")
		r.body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, strings.Repeat("x", size))
		return r.bytes()
	}
	bare := func(method, uri string) []byte { return request{method: method, uri: uri}.bytes() }
	allow := func(methods string) map[string]string { return map[string]string{"Allow": methods} }
	closed := map[string]string{"Connection": "close"}
	both := allow("POST, GET")

	return []badInput{
		{"1 no signature", status.without(signature).bytes(), 401, "twilio/missing_signature", nil},
		{"2 a bit of the signature", status.without(signature).with(signature, string(flipped)).bytes(), 401, "twilio/bad_signature", nil},
		{"2 a parameter", change(status, func(r *request) { r.body += "&ErrorCode=1" }), 401, "twilio/bad_signature", nil},
		{"2 the path", change(status, func(r *request) { r.uri = inboundPath }), 401, "twilio/bad_signature", nil},
		{"3 signed for another URL", status.without(signature).
			with(signature, twilioMAC(token, "https://evil.example"+statusPath, callback("sent"))).
			with("X-Forwarded-Host", "evil.example").with("X-Forwarded-Proto", "https").with("Host", "evil.example").
			bytes(), 401, "twilio/bad_signature", nil},
		{"5 the border moved", twilioPost(statusPath, merged).without(signature).with(signature, mac).bytes(), 403, "twilio/unknown_account", nil},
		{"6 unknown account", twilioPost(statusPath, stranger).bytes(), 403, "twilio/unknown_account", nil},
		{"9 JSON, body changed", change(js, func(r *request) { r.body = strings.Replace(r.body, "SM1", "SM2", 1) }), 401, "twilio/bad_body_hash", nil},
		{"9 JSON without its hash", change(js, func(r *request) { r.uri = statusPath }), 401, "twilio/missing_body_hash", nil},
		{"9 JSON, its hash in base64", change(js, func(r *request) { *r = inBase64(*r) }), 401, "twilio/bad_body_hash", nil},
		{"10 empty secret", twilioPost(statusPath, empty).without(signature).
			with(signature, twilioMAC("", publicURL+statusPath, empty)).bytes(), 503, "twilio/empty_secret", map[string]string{"Retry-After": "1"}},
		{"11 query re-ordered", change(twoParams, func(r *request) { r.uri = statusPath + "?b=2&a=1" }), 401, "twilio/url_mismatch", nil},
		{"12 Stripe unsigned", event.without("Stripe-Signature").bytes(), 401, "stripe/missing_signature", nil},
		{"12 Stripe v0 alone", stripeSigned(ts + ",v0=" + stripeMAC(now, stripeBody)), 401, "stripe/bad_signature", nil},
		{"12 Stripe v1 not hex", stripeSigned(ts + ",v1=" + strings.Repeat("z", 64)), 401, "stripe/bad_signature", nil},
		{"13 Stripe too old", stripePost(now.Add(-310*time.Second), stripeBody).bytes(), 401, "stripe/stale", nil},
		{"13 Stripe from the future", stripePost(now.Add(time.Hour), stripeBody).bytes(), 401, "stripe/stale", nil},
		{"14 Stripe t twice", stripeSigned(ts + "," + ts + ",v1=" + stripeMAC(now, stripeBody)), 401, "stripe/malformed_signature", nil},
		{"14 Stripe with 10,000 values", stripeSigned(ts + values), 431, "none/header_too_large", nil},
		{"15 Stripe re-serialised", change(event, func(r *request) { r.body = strings.ReplaceAll(r.body, ":", ": ") }), 401, "stripe/bad_signature", nil},
		{"28 Content-Length of 300 MB", change(event.with("Content-Length", "300000000"), func(*request) {}), 413, "stripe/body_too_large", closed},
		{"28 one byte too many", change(event, func(r *request) { r.body = strings.Repeat("x", 1_000_001) }), 413, "stripe/body_too_large", closed},
		{"28 one byte too many, then close", event.with("Connection", "close").with("Content-Length", "1000001").bytes(), 413, "stripe/body_too_large", closed},
		{"28 chunked beyond the bound", chunked(1_000_001), 413, "stripe/body_too_large", closed},
		{"29 compressed", event.with("Content-Encoding", "gzip").bytes(), 415, "stripe/content_encoding", nil},
		{"29 compressed in disguise", status.with("Content-Encoding", "identity, gzip").bytes(), 415, "twilio/content_encoding", nil},
		{"31 header block above 20 KiB", status.with("X-Big", strings.Repeat("x", 20<<10)).bytes(), 431, "none/header_too_large", nil},
		{"31 not HTTP", []byte("HELO waybill\r\n\r\n"), 400, "none/malformed", nil},
		{"31 no Host", []byte("GET / HTTP/1.1\r\n\r\n"), 400, "none/malformed", nil},
		{"31 two lengths", status.with("Content-Length", "1").with("Content-Length", "2").bytes(), 400, "none/malformed", nil},
		{"31 unknown transfer coding", status.with("Transfer-Encoding", "cabbage").bytes(), 501, "none/malformed", nil},
		{"31 broken chunks", change(event.with("Transfer-Encoding", "chunked"), func(r *request) { r.body = "zz\r\nx\r\n0\r\n\r\n" }), 400, "stripe/body_unreadable", nil},
		{"32 PUT", bare(http.MethodPut, statusPath), 405, "twilio/bad_method", both},
		{"32 TRACE", bare(http.MethodTrace, inboundPath), 405, "twilio/bad_method", both},
		{"32 OPTIONS", bare(http.MethodOptions, statusPath), 405, "twilio/bad_method", both},
		{"32 lower case", bare("post", statusPath), 405, "twilio/bad_method", both},
		{"32 GET to Stripe", bare(http.MethodGet, stripePath), 405, "stripe/bad_method", allow("POST")},
		{"33 unknown path", bare(http.MethodGet, "/wp-login.php"), 404, "none/unknown_path", nil},
		{"33 root", bare(http.MethodPost, "/"), 404, "none/unknown_path", nil},
		{"33 dots", bare(http.MethodPost, "/api/../api/webhooks/sms"), 404, "none/unknown_path", nil},
		{"33 encoded dots", bare(http.MethodPost, "/api/%2e%2e/api/webhooks/sms"), 404, "none/unknown_path", nil},
		{"33 encoded letter", bare(http.MethodPost, "/api/webhooks/%73ms"), 404, "none/unknown_path", nil},
		{"33 trailing dot", bare(http.MethodPost, inboundPath+"."), 404, "none/unknown_path", nil},
		{"33 trailing slash", bare(http.MethodPost, inboundPath+"/"), 404, "none/unknown_path", nil},
		{"33 double slash", bare(http.MethodPost, "//api//webhooks/sms"), 404, "none/unknown_path", nil},
		{"33 another case", bare(http.MethodPost, "/API/webhooks/sms"), 404, "none/unknown_path", nil},
		{"33 whole URL", bare(http.MethodPost, publicURL+inboundPath), 404, "none/unknown_path", nil},
		{"33 asterisk", bare(http.MethodOptions, "*"), 404, "none/unknown_path", nil},
		{"33 unknown path with a body", change(status, func(r *request) { r.uri = "/x" }), 404, "none/unknown_path", nil},
		{"34 multipart to Twilio", status.without("Content-Type").with("Content-Type", "multipart/form-data; boundary=x").bytes(), 415, "twilio/content_type", nil},
		{"34 text to Twilio", status.without("Content-Type").with("Content-Type", "text/plain").bytes(), 415, "twilio/content_type", nil},
		{"34 no type", status.without("Content-Type").bytes(), 415, "twilio/content_type", nil},
		{"34 two types", status.with("Content-Type", jsonType).bytes(), 415, "twilio/content_type", nil},
		{"34 form to Stripe", event.without("Content-Type").with("Content-Type", form).bytes(), 415, "stripe/content_type", nil},
	}
}

// TestBadInputs is every row of the table of bad inputs that the edge decides
// alone; where the others are is in rows.
func TestBadInputs(t *testing.T) {
	t.Parallel()
	for _, in := range badInputs(t, time.Now()) {
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, nil)
			a := send(t, h.addr, in.send)
			require.Equal(t, in.status, a.status)
			for name, value := range in.header {
				require.Equal(t, value, a.header.Get(name), name)
			}
			h.refusedOnce(t, in.status, in.count)
			switch {
			case bytes.Contains(in.send, []byte(" "+recordsPath+" ")):
				firehoseReply(t, a, http.StatusText(in.status))
			case !strings.HasPrefix(in.count, "none/") || in.status == http.StatusNotFound:
				require.Equal(t, http.StatusText(in.status)+"\n", a.body)
				require.Equal(t, "text/plain; charset=utf-8", a.header.Get("Content-Type"))
			}
			h.nothingKept(t)
			require.Empty(t, h.aws.urls(), "nothing is fetched")
			h.good(t)
		})
	}
	for _, r := range rows {
		if r.test != nil {
			t.Run(r.name, r.test)
		}
	}
}

func (h *house) nothingKept(t *testing.T) {
	t.Helper()
	for _, topic := range []string{events.TopicRawTwilio, events.TopicRawStripe, events.TopicRawSES, events.TopicRawConnect} {
		require.Empty(t, h.broker.on(topic))
	}
}

// inBase64 is how Twilio wrote the hash of a JSON body long ago.
func inBase64(r request) request {
	sum := sha256.Sum256([]byte(r.body))
	r.uri = statusPath + "?bodySHA256=" + url.QueryEscape(base64.StdEncoding.EncodeToString(sum[:]))
	return r.without(signature).with(signature, twilioMAC(token, publicURL+r.uri, nil))
}

// refusedOnce requires that one request was refused: one counter, one line,
// nothing of the request in it.
func (h *house) refusedOnce(t *testing.T, status int, count string) {
	t.Helper()
	require.Empty(t, cmp.Diff(map[string]float64{count: 1}, h.counters(t, refused)))
	require.Empty(t, h.counters(t, accepted))
	logged := h.log.with(t, "request refused")
	require.Len(t, logged, 1)
	p, reason, _ := strings.Cut(count, "/")
	require.Equal(t, p, logged[0]["provider"])
	require.Equal(t, reason, logged[0]["reason"])
	require.EqualValues(t, status, logged[0]["status"])
	for _, private := range []string{"+1555", "evil", token, "SM0123", "evt_1", "wp-login", "whsec", apiKey, firehoseKey, confirmToken, strangeTopic, contactID, emailID} {
		require.NotContains(t, h.log.text(), private)
	}
}

// Signed, so taken, whatever it says: its parser will say what is wrong.
func acceptedInputs(t *testing.T) {
	t.Parallel()
	now := time.Now()
	twice := callback("sent")
	twice.Add("MessageStatus", "delivered")
	hostile := callback("sent")
	hostile.Set("Body", "nul \x00, not UTF-8 \xff\xfe, right to left \u202e")
	hostile.Set("Long", strings.Repeat("ä", 50<<10))
	getURI := statusPath + "?" + callback("read").Encode()
	escaped := twilioPost(inboundPath+"?wb=a%2Fb+c&x=%c3%a9", callback("received"))
	chunked := twilioPost(statusPath, callback("sent")).with("Transfer-Encoding", "chunked")
	chunked.body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(chunked.body), chunked.body)

	for _, c := range []struct {
		name   string
		send   request
		status int
		topic  string
		kind   events.Kind
	}{
		{"an e-mail's event", snsPost(t, emailPath, notice(t, sesTopic, emailEvent)), 200, events.TopicRawSES, events.KindEmail},
		{"SNS as JSON", snsPost(t, emailPath, notice(t, sesTopic, emailEvent)).without("Content-Type").with("Content-Type", jsonType), 200, events.TopicRawSES, events.KindEmail},
		{"SNS, signed with SHA-1", snsPost(t, emailPath, notice(t, sesTopic, emailEvent, "SignatureVersion", "1")), 200, events.TopicRawSES, events.KindEmail},
		{"a confirmation of SES's topic", snsPost(t, emailPath, confirm(t, sesTopic)), 200, events.TopicRawSES, events.KindTopic},
		{"a contact's event by its topic", snsPost(t, connectPath, notice(t, connectTopic, contactEvent)), 200, events.TopicRawConnect, events.KindContact},
		{"a confirmation of Connect's topic", snsPost(t, connectPath, confirm(t, connectTopic)), 200, events.TopicRawConnect, events.KindTopic},
		{"a contact's event by a destination", destinationPost(contactEvent), 200, events.TopicRawConnect, events.KindContact},
		{"35 SNS around 20,000 levels", snsPost(t, emailPath, notice(t, sesTopic, strings.Repeat("[", 20_000))), 200, events.TopicRawSES, events.KindEmail},
		{"status", twilioPost(statusPath, callback("sent")), 204, events.TopicRawTwilio, events.KindMessageStatus},
		{"inbound", twilioPost(inboundPath, callback("received")), 200, events.TopicRawTwilio, events.KindMessage},
		{"GET", request{method: http.MethodGet, uri: getURI, header: [][2]string{
			{signature, twilioMAC(token, publicURL+getURI, url.Values{})},
		}}, 204, events.TopicRawTwilio, events.KindMessageStatus},
		{"JSON", twilioJSON(statusPath, `{"AccountSid":"`+account+`","MessageSid":"SM1"}`), 204, events.TopicRawTwilio, events.KindMessageStatus},
		{"odd escapes", escaped, 200, events.TopicRawTwilio, events.KindMessage},
		{"chunked", chunked, 204, events.TopicRawTwilio, events.KindMessageStatus},
		{"identity", twilioPost(statusPath, callback("sent")).with("Content-Encoding", "identity"), 204, events.TopicRawTwilio, events.KindMessageStatus},
		{"4 a name twice", twilioPost(statusPath, twice), 204, events.TopicRawTwilio, events.KindMessageStatus},
		{"35 hostile text", twilioPost(statusPath, hostile), 204, events.TopicRawTwilio, events.KindMessageStatus},
		{"35 Stripe 20,000 deep", stripePost(now, strings.Repeat("[", 20_000)), 200, events.TopicRawStripe, events.KindStripe},
		{"16 Stripe of an unknown version", stripePost(now, stripeBody), 200, events.TopicRawStripe, events.KindStripe},
		{"17 Stripe not JSON", stripePost(now, "\x00 not JSON"), 200, events.TopicRawStripe, events.KindStripe},
		{"35 Stripe 1e999", stripePost(now, `{"id":"evt_2","created":1e999}`), 200, events.TopicRawStripe, events.KindStripe},
		{"28 Stripe of the largest size", stripePost(now, strings.Repeat("x", 1_000_000)), 200, events.TopicRawStripe, events.KindStripe},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, nil)
			a := send(t, h.addr, c.send.bytes())
			require.Equal(t, c.status, a.status)
			switch c.kind {
			case events.KindMessage:
				require.Equal(t, "text/xml", a.header.Get("Content-Type"))
				require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?><Response/>`, a.body)
			default:
				require.Empty(t, a.body)
			}
			records := h.broker.on(c.topic)
			require.Len(t, records, 1)
			raw, err := events.DecodeRaw(&records[0])
			require.NoError(t, err)
			require.Equal(t, c.send.uri, raw.URI, "the request URI is kept byte for byte")
			require.Equal(t, c.send.method, raw.Method)
			require.Equal(t, c.kind, raw.Kind)
			require.NotEmpty(t, raw.Key)
			for _, kept := range records[0].Headers {
				require.NotContains(t, string(kept.Value), apiKey, kept.Key)
			}
			if c.name != "chunked" {
				require.Equal(t, c.send.body, string(raw.Body), "the body is kept byte for byte")
			}
			require.Empty(t, h.counters(t, refused))
			require.Equal(t, map[string]float64{string(raw.Provider) + "/" + string(c.kind): 1}, relabel(h.counters(t, accepted)))
			require.Equal(t, map[string]float64{c.topic: 1}, h.counters(t, "waybill_ingest_published_total"))
			require.Empty(t, h.log.with(t, "request refused"))
			require.Empty(t, h.counters(t, "waybill_ingest_inflight_bytes"), "everything is given back")
		})
	}
}

// relabel turns kind/provider, as the registry sorts labels, into provider/kind.
func relabel(in map[string]float64) map[string]float64 {
	out := map[string]float64{}
	for k, v := range in {
		kind, p, _ := strings.Cut(k, "/")
		out[p+"/"+kind] = v
	}
	return out
}

// Row 8: a repeat is a new receipt; that it is a duplicate is found out later.
func replayIsTakenUnderAReceiptOfItsOwn(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	raw := twilioPost(statusPath, callback("sent")).bytes()
	require.Equal(t, 204, send(t, h.addr, raw).status)
	h.clock.advance(time.Second) // a day would make the snapshot stale, which does not matter to a known account
	require.Equal(t, 204, send(t, h.addr, raw).status)
	records := h.broker.on(events.TopicRawTwilio)
	require.Len(t, records, 2)
	require.NotEqual(t, events.ReceiptOf(&records[0]), events.ReceiptOf(&records[1]))
	require.Equal(t, records[0].Value, records[1].Value)
}

// Row 31: the length beside the chunks does not count, and no second request
// hides behind it.
func lengthBesideChunksSmugglesNothing(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	r := twilioPost(statusPath, callback("sent")).with("Content-Length", "5").with("Transfer-Encoding", "chunked")
	body := r.body
	r.body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	c := dial(t, h.addr)
	c.write(append(r.bytes(), request{method: http.MethodGet, uri: "/hidden"}.bytes()...))
	require.Equal(t, 204, c.answer(t).status)
	require.Equal(t, 404, c.answer(t).status, "what stands behind the last chunk is a request of its own")
	records := h.broker.on(events.TopicRawTwilio)
	require.Len(t, records, 1)
	require.Equal(t, body, string(records[0].Value))
}

// Row 28: a caller that sends everything before it reads, and wants the
// connection closed, is not reset on its way.
func refusedCallerMayFinish(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	r := stripePost(time.Now(), strings.Repeat("x", 4<<20)).with("Connection", "close")
	c := dial(t, h.addr)
	_, err := c.Write(r.bytes())
	require.NoError(t, err)
	require.Equal(t, 413, c.answer(t).status)
	h.refusedOnce(t, 413, "stripe/body_too_large")
}

// Row 33: nothing tells one unknown path from another.
func unknownPathsLookAlike(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	first := send(t, h.addr, request{method: http.MethodPost, uri: "/api/webhooks/sms/"}.bytes())
	second := send(t, h.addr, request{method: http.MethodGet, uri: "/%2e%2e/etc/passwd"}.bytes())
	first.header.Del("Date")
	second.header.Del("Date")
	require.Empty(t, cmp.Diff(first, second, cmp.AllowUnexported(answer{})))
}
