package ingest_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/seal"
	"waybill/internal/tenants"
)

// delivered reads what a delivery was kept as.
func (h *house) delivered(t *testing.T) []events.Raw {
	t.Helper()
	records := h.broker.on(events.TopicRawConnect)
	out := make([]events.Raw, len(records))
	for i := range records {
		var err error
		out[i], err = events.DecodeRaw(&records[i])
		require.NoError(t, err)
	}
	return out
}

// Row 37: every document is a record of its own, whatever is in it.
func recordsOfEverySort(t *testing.T) {
	t.Parallel()
	body := firehoseBody(contactCTR+"\n"+contactCTR, "", "{\"ContactId\":", " ", "\x00\xff")
	for name, r := range map[string]request{
		"plain":  firehosePost(body),
		"packed": firehosePost(packed(t, body)).with("Content-Encoding", "gzip"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, nil)
			a := send(t, h.addr, r.bytes())
			require.Equal(t, 200, a.status)
			require.Empty(t, a.header.Get("Content-Encoding"))
			firehoseReply(t, a, "")
			raws := h.delivered(t)
			require.Len(t, raws, 4)
			receipts := map[events.ReceiptID]bool{}
			for n, want := range []struct{ body, key string }{
				{contactCTR, contactID}, {contactCTR, contactID}, {"{\"ContactId\":", instanceARN + "/contact.record"}, {"\x00\xff", instanceARN + "/contact.record"},
			} {
				raw := raws[n]
				receipts[raw.Receipt] = true
				require.Equal(t, want.body, string(raw.Body))
				require.Equal(t, want.key, raw.Key)
				require.Equal(t, events.KindContactRecord, raw.Kind)
				require.Equal(t, instanceARN, raw.Signer)
				require.Equal(t, "token-firehose", raw.Token)
				require.Equal(t, []events.Header{
					{Key: "content-type", Value: []byte(jsonType)},
					{Key: "x-amz-firehose-request-id", Value: []byte(delivery)},
					{Key: "x-waybill-document", Value: []byte(strconv.Itoa(n))},
				}, raw.Headers)
			}
			require.Len(t, receipts, 4, "each has a receipt of its own")
			require.Empty(t, h.counters(t, refused))
			require.Equal(t, map[string]float64{"contact.record/connect": 1}, h.counters(t, accepted))
			require.Equal(t, map[string]float64{events.TopicRawConnect: 4}, h.counters(t, "waybill_ingest_published_total"))
			require.Equal(t, map[string]float64{"": 2}, h.counters(t, "waybill_ingest_empty_records_total"))
			require.Empty(t, h.counters(t, "waybill_ingest_inflight_bytes"), "everything is given back")
			h.good(t)
		})
	}
}

// Row 36: what another instance's record is worth the router decides; the edge
// says whose key it came with.
func anotherInstance(t *testing.T) {
	t.Parallel()
	const another = `{"ContactId":"` + contactID + `","InstanceARN":"arn:aws:connect:eu-west-1:999999999999:instance/another"}`
	h := open(t, nil)
	require.Equal(t, 200, send(t, h.addr, firehosePost(firehoseBody(another)).bytes()).status)
	require.Equal(t, 200, send(t, h.addr, destinationPost(strings.Replace(contactEvent, `"detail":{`, `"detail":{"instanceArn":"another",`, 1)).bytes()).status)
	for _, raw := range h.delivered(t) {
		require.Equal(t, instanceARN, raw.Signer)
	}
	h.good(t)
}

// Records are published in chunks, and 200 comes behind the last.
func TestADeliveryIsPublishedInChunks(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	var publishes atomic.Int32
	h.broker.failWith(func(context.Context) error { publishes.Add(1); return nil })
	require.Equal(t, 200, send(t, h.addr, firehosePost(firehoseBody(strings.Repeat(contactCTR, 600), strings.Repeat(contactCTR, 600))).bytes()).status)
	require.EqualValues(t, 3, publishes.Load())
	require.Len(t, h.delivered(t), 1200)
}

// What a record has beside its body counts: 500 bodies alone would be one chunk.
func TestAChunkIsMeasuredByWholeRecords(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	var publishes atomic.Int32
	h.broker.failWith(func(context.Context) error { publishes.Add(1); return nil })
	const head, tail = `{"ContactId":"` + contactID + `","x":"`, `"}`
	half := strings.Repeat(head+strings.Repeat("x", 2000-len(head)-len(tail))+tail, 250)
	require.Equal(t, 200, send(t, h.addr, firehosePost(firehoseBody(half, half)).bytes()).status)
	require.EqualValues(t, 2, publishes.Load())
	require.Len(t, h.delivered(t), 500)
}

// What is kept beside a body is bounded; a content type that is longer than any
// tells nothing that is needed.
func TestALongContentTypeIsNotKept(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	long := "; x=" + strings.Repeat("x", 256)
	for _, r := range []request{snsPost(t, emailPath, notice(t, sesTopic, emailEvent)), destinationPost(contactEvent), firehosePost(firehoseBody(contactCTR))} {
		r = r.without("Content-Type").with("Content-Type", jsonType+long)
		require.Equal(t, 200, send(t, h.addr, r.bytes()).status)
	}
	require.Len(t, h.broker.on(events.TopicRawSES), 1)
	require.Len(t, h.broker.on(events.TopicRawConnect), 2)
	for _, topic := range []string{events.TopicRawSES, events.TopicRawConnect} {
		for _, record := range h.broker.on(topic) {
			raw, err := events.DecodeRaw(&record)
			require.NoError(t, err)
			require.Empty(t, raw.HTTPHeader("content-type"))
		}
	}
}

// Row 39: what is durable by then comes again, and is known by its event ids.
func brokerRefusesPartOfADelivery(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	var publishes atomic.Int32
	h.broker.failWith(func(context.Context) error {
		if publishes.Add(1) == 2 {
			return errors.New("not enough in-sync replicas")
		}
		return nil
	})
	r := firehosePost(firehoseBody(strings.Repeat(contactCTR, 600)))
	a := send(t, h.addr, r.bytes())
	require.Equal(t, 503, a.status)
	require.Equal(t, "1", a.header.Get("Retry-After"))
	firehoseReply(t, a, "Service Unavailable")
	h.refusedOnce(t, 503, "connect/publish_failed")
	require.Equal(t, 200, send(t, h.addr, r.bytes()).status)
	h.good(t)
}

// begin sends the head of a delivery and the begin of its body, and returns once
// it is being read.
func (h *house) begin(t *testing.T, r request, deliveries int) *client {
	t.Helper()
	raw := r.bytes()
	c := dial(t, h.addr)
	c.write(raw[:len(raw)-10])
	require.Eventually(t, func() bool {
		return h.counters(t, "waybill_ingest_inflight_bytes")[""] == float64(deliveries*(16<<20+8<<10))
	}, waitFor, tick)
	return c
}

// end sends the rest.
func (c *client) end(t *testing.T, r request) answer {
	t.Helper()
	raw := r.bytes()
	c.write(raw[len(raw)-10:])
	return c.answer(t)
}

// Row 39: two deliveries of an instance are read at a time, three of all. Who has no key
// takes nobody's place, and who has one takes one.
func thirdDelivery(t *testing.T) {
	t.Parallel()
	const secondKey, thirdKey = "the-access-key-of-a-second", "the-access-key-of-a-third"
	h := open(t, func(s *setup) {
		key, err := seal.ParseKey(string(s.config.SecretKey))
		require.NoError(t, err)
		for _, k := range []string{secondKey, thirdKey} {
			s.signers = append(s.signers, connectRecord(t, instanceARN+k, sealed(key, "token-"+k, tenants.AlgorithmFirehose, k)))
		}
	})
	body := firehoseBody(contactCTR)
	r, ofSecond, ofThird := firehosePost(body), firehosePostWith(secondKey, body), firehosePostWith(thirdKey, body)
	busy := func(r request) {
		t.Helper()
		a := send(t, h.addr, r.bytes())
		require.Equal(t, 503, a.status)
		require.Equal(t, "1", a.header.Get("Retry-After"))
		firehoseReply(t, a, "Service Unavailable")
	}
	first, again := h.begin(t, r, 1), h.begin(t, r, 2)
	require.Equal(t, 401, send(t, h.addr, firehosePostWith("a guess", body).bytes()).status)
	busy(r) // a third one of the same
	second := h.begin(t, ofSecond, 3)
	busy(ofThird)
	require.Equal(t, map[string]float64{"connect/bad_key": 1, "connect/busy": 2}, h.counters(t, refused))
	h.good(t)
	require.Equal(t, 200, first.end(t, r).status)
	require.Equal(t, 200, again.end(t, r).status)
	require.Equal(t, 200, second.end(t, ofSecond).status)
	for _, next := range []request{r, ofSecond, ofThird} {
		require.Equal(t, 200, send(t, h.addr, next.bytes()).status)
	}
}

// The memory that a delivery takes is reserved before it is read.
func TestADeliveryNeedsItsMemory(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) { s.config.MaxInflightBytes = 16 << 20 })
	a := send(t, h.addr, firehosePost(firehoseBody(contactCTR)).bytes())
	require.Equal(t, 503, a.status)
	h.refusedOnce(t, 503, "connect/overloaded")
	h.good(t)
}

// Firehose takes longer than anybody else may.
func TestADeliveryOutlivesTheTimeOfOthers(t *testing.T) {
	t.Parallel()
	const others = time.Second // it bounds the publish and the good request here, too
	h := open(t, func(s *setup) { s.config.RequestTimeout = others })
	r := firehosePost(firehoseBody(contactCTR))
	c := h.begin(t, r, 1)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(others+others/2)))
	_, err := c.in.Peek(1)
	require.Error(t, err, "nothing is answered yet")
	require.NoError(t, c.SetReadDeadline(time.Now().Add(waitFor)))
	require.Equal(t, 200, c.end(t, r).status)
	h.good(t)
}

// The time of the longest delivery can be told from the figures.
func TestTheLongestDeliveryHasABucket(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	require.Equal(t, 200, send(t, h.addr, firehosePost(firehoseBody(contactCTR)).bytes()).status)
	families, err := h.reg.Gather()
	require.NoError(t, err)
	last := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if buckets := m.GetHistogram().GetBucket(); len(buckets) > 0 {
				last[f.GetName()] = buckets[len(buckets)-1].GetUpperBound()
			}
		}
	}
	require.Equal(t, map[string]float64{"waybill_ingest_request_seconds": 150, "waybill_ingest_publish_seconds": 15}, last)
}

// A caller that goes away leaves nothing behind.
func TestADeliveryThatBreaksOff(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.begin(t, firehosePost(firehoseBody(contactCTR)), 1)
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool { return len(h.counters(t, refused)) == 1 }, waitFor, tick)
	h.refusedOnce(t, 400, "connect/cut_short")
	require.Empty(t, h.counters(t, "waybill_ingest_inflight_bytes"))
	h.nothingKept(t)
}

// Row 29: few bytes that would become many. How much memory they get is measured
// where they are read.
func gzipBomb(t *testing.T) {
	t.Parallel()
	bombs := map[string]string{
		"one record":   `{"requestId":"` + delivery + `","records":[{"data":"` + strings.Repeat("a", 48<<20) + `"}]}`,
		"no records":   strings.Repeat(" ", 48<<20),
		"many records": `{"requestId":"` + delivery + `","records":[{}` + strings.Repeat(`,{"data":""}`, 6<<20) + `]}`,
	}
	want := map[string]string{"one record": "record_too_large", "no records": "record_too_large", "many records": "too_many_records"}
	for name, body := range bombs {
		bombs[name] = packed(t, body)
	}
	for name, body := range bombs {
		t.Run(name, func(t *testing.T) {
			h := open(t, nil)
			r := firehosePost(body).with("Content-Encoding", "gzip")
			require.Less(t, len(r.body), 512<<10)
			a := send(t, h.addr, r.bytes())
			require.Equal(t, 500, a.status)
			firehoseReply(t, a, "Internal Server Error")
			h.refusedOnce(t, 500, "connect/"+want[name])
			h.nothingKept(t)
			require.Empty(t, h.counters(t, "waybill_ingest_inflight_bytes"))
			h.good(t)
		})
	}
}
