package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/provider/sns"
	"waybill/internal/provider/stripe"
	"waybill/internal/seal"
	"waybill/internal/tenants"
)

// refused503 requires the answer that asks a provider to come again.
func refused503(t *testing.T, a answer) {
	t.Helper()
	require.Equal(t, 503, a.status)
	require.Equal(t, "1", a.header.Get("Retry-After"))
	require.Equal(t, "Service Unavailable\n", a.body)
}

// Row 39: the broker refuses.
func brokerRefuses(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.broker.failWith(func(context.Context) error { return errors.New("not enough in-sync replicas") })
	refused503(t, send(t, h.addr, twilioPost(statusPath, callback("sent")).bytes()))
	h.refusedOnce(t, 503, "twilio/publish_failed")
	require.Empty(t, h.broker.on(events.TopicRejected), "a genuine request is no sample")
	h.broker.failWith(nil)
	h.good(t)
}

// Row 39: the broker does not say in time whether it has the record.
func brokerIsSilent(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) { s.config.RequestTimeout = 300 * time.Millisecond })
	h.broker.failWith(func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })
	refused503(t, send(t, h.addr, stripePost(time.Now(), stripeBody).bytes()))
	h.refusedOnce(t, 503, "stripe/publish_timeout")
	h.broker.failWith(nil)
	h.good(t)
}

// No answer may overtake the acknowledgement.
func TestAnswersOnlyAfterTheAcknowledgement(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	asked, acknowledge := make(chan struct{}), make(chan struct{})
	h.broker.failWith(func(context.Context) error { close(asked); <-acknowledge; return nil })
	c := dial(t, h.addr)
	c.write(twilioPost(statusPath, callback("sent")).bytes())
	<-asked
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := c.in.Peek(1)
	require.Error(t, err, "nothing is answered while the broker has not acknowledged")
	require.NoError(t, c.SetReadDeadline(time.Now().Add(waitFor)))
	close(acknowledge)
	require.Equal(t, 204, c.answer(t).status)
}

// A caller that closes its side has still sent a whole request.
func TestHalfClosedCallerIsServed(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	asked := make(chan struct{})
	h.broker.failWith(func(ctx context.Context) error {
		close(asked)
		select {
		case <-ctx.Done(): // as net/http does once it has noticed
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
			return nil
		}
	})
	c := dial(t, h.addr)
	c.write(twilioPost(statusPath, callback("sent")).bytes())
	<-asked
	require.NoError(t, c.Conn.(interface{ CloseWrite() error }).CloseWrite())
	require.Equal(t, 204, c.answer(t).status)
}

// Row 39: the memory for requests is taken.
func inflightBound(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) { s.config.MaxInflightBytes = 32 << 10 })
	asked, acknowledge := make(chan struct{}), make(chan struct{})
	h.broker.failWith(func(context.Context) error { close(asked); <-acknowledge; return nil })
	c := dial(t, h.addr)
	c.write(stripePost(time.Now(), strings.Repeat("x", 20<<10)).bytes())
	<-asked
	require.Equal(t, map[string]float64{"": 28 << 10}, h.counters(t, "waybill_ingest_inflight_bytes"))
	refused503(t, send(t, h.addr, twilioPost(statusPath, callback("sent")).bytes()))
	require.Equal(t, map[string]float64{"twilio/overloaded": 1}, h.counters(t, refused))
	close(acknowledge)
	require.Equal(t, 200, c.answer(t).status)
	h.broker.failWith(nil)
	h.good(t)
	require.Empty(t, h.counters(t, "waybill_ingest_inflight_bytes"))
}

// A body that outgrows the memory on its way is refused then.
func inflightBoundWhileReading(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) { s.config.MaxInflightBytes = 256 << 10 })
	refused503(t, send(t, h.addr, stripePost(time.Now(), strings.Repeat("x", 900_000)).bytes()))
	h.refusedOnce(t, 503, "stripe/overloaded")
	require.Empty(t, h.counters(t, "waybill_ingest_inflight_bytes"))
	h.good(t)
}

// Row 39: the process is about to stop. What it has is answered, what comes
// now is sent elsewhere.
func draining(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) { s.config.DrainDelay = 500 * time.Millisecond })
	asked, acknowledge := make(chan struct{}), make(chan struct{})
	h.broker.failWith(func(context.Context) error { close(asked); <-acknowledge; return nil })
	inFlight := dial(t, h.addr)
	inFlight.write(twilioPost(statusPath, callback("sent")).bytes())
	<-asked
	idle := dial(t, h.addr)
	idle.write(request{method: http.MethodGet, uri: "/"}.bytes())
	require.Equal(t, 404, idle.answer(t).status)

	h.stop()
	require.Eventually(t, func() bool { return strings.Contains(fmt.Sprint(h.health.Problems()), "draining") }, waitFor, tick)
	for _, c := range []*client{idle, dial(t, h.addr)} {
		c.write(twilioPost(statusPath, callback("delivered")).bytes())
		a := c.answer(t)
		refused503(t, a)
		require.Equal(t, "close", a.header.Get("Connection"))
	}
	require.Equal(t, map[string]float64{"none/unknown_path": 1, "twilio/draining": 2}, h.counters(t, refused))

	close(acknowledge)
	require.Equal(t, 204, inFlight.answer(t).status)
	<-h.done
	require.NoError(t, h.err)
	_, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.addr)
	require.Error(t, err, "nobody listens any more")
}

// panicker is a Stripe that breaks.
type panicker struct{ *stripe.Stripe }

func (panicker) Verify(context.Context, *provider.Request, provider.Signers) (provider.Verified, error) {
	panic("a piece of the request: +15550100002")
}

func TestPanicIsARefusal(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) {
		sound := s.verifiers
		s.verifiers = func(envelopes *sns.Verifier) []provider.Verifier {
			all := sound(envelopes)
			all[1] = panicker{stripe.New(stripe.Tolerance)}
			return all
		}
	})
	a := send(t, h.addr, stripePost(time.Now(), stripeBody).bytes())
	require.Equal(t, 500, a.status)
	require.Equal(t, "Internal Server Error\n", a.body)
	h.refusedOnce(t, 500, "stripe/panic")
	line := h.log.with(t, "request refused")[0]
	require.Equal(t, "ERROR", line["level"])
	require.Contains(t, line["stack"], "panicker")
	h.good(t)
}

// Row 6: while the snapshot may be missing somebody, nobody is turned away for good.
func strangerWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	stranger := callback("sent")
	stranger.Set("AccountSid", "ACffffffffffffffffffffffffffffffff")
	raw := twilioPost(statusPath, stranger).bytes()
	h.broker.sever(t)
	require.Equal(t, 403, send(t, h.addr, raw).status, "a fetch was just now")
	h.clock.advance(6 * time.Second)
	refused503(t, send(t, h.addr, raw))
	require.Equal(t, map[string]float64{"twilio/unknown_account": 1, "twilio/unsure_account": 1}, h.counters(t, refused))
	h.good(t) // the account that is known stays known
	require.Greater(t, h.counters(t, "waybill_ingest_snapshot_age_seconds")[""], 5.0)
}

// Row 12: no endpoint is registered.
func stripeWithoutAnEndpoint(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) { s.signers = slices.Delete(s.signers, 2, 3) })
	a := send(t, h.addr, stripePost(time.Now(), stripeBody).bytes())
	require.Equal(t, 403, a.status)
	h.refusedOnce(t, 403, "stripe/no_secret")
}

// Row 10: the alarm.
func unusableSecretRaisesTheAlarm(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	require.Equal(t, map[string]float64{"": 1}, h.counters(t, "waybill_ingest_signers_unusable"))
	require.Equal(t, map[string]float64{"": 7}, h.counters(t, "waybill_ingest_signers"))
	alarms := h.log.with(t, "a signer's secret cannot be used: its requests may be answered 503")
	require.Len(t, alarms, 1)
	require.Equal(t, "ERROR", alarms[0]["level"])
	require.Equal(t, emptyAccount, alarms[0]["signer"])
}

// Row 10: another instance's key that cannot be used makes only such requests
// wait as it could be the key of, and a topic's bond makes none.
func unusableKeyOfAnotherInstance(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) {
		key, err := seal.ParseKey(string(s.config.SecretKey))
		require.NoError(t, err)
		another := connectRecord(t, instanceARN+"-of-another", sealed(key, "token-empty", tenants.AlgorithmAPIKey, ""))
		bond := sealed(key, "token-lost", tenants.AlgorithmInstance, instanceARN)
		bond.Sealed = []byte("sealed with a lost key")
		lost := topicRecord(t, key, "connect", connectTopic+"-lost")
		lost.Value = []byte("not JSON")
		s.signers = append(s.signers, another, topicRecord(t, key, "connect", connectTopic+"-unbound", bond), lost)
	})
	require.Equal(t, map[string]float64{"": 4}, h.counters(t, "waybill_ingest_signers_unusable"))
	require.Equal(t, 401, send(t, h.addr, firehosePostWith("a guess", firehoseBody(contactCTR)).bytes()).status)
	refused503(t, send(t, h.addr, destinationPost(contactEvent).without("X-Waybill-Api-Key").with("X-Waybill-Api-Key", "a guess").bytes()))
	require.Equal(t, map[string]float64{"connect/bad_key": 1, "connect/empty_key": 1}, h.counters(t, refused))
	h.nothingKept(t)
	require.Equal(t, 200, send(t, h.addr, firehosePost(firehoseBody(contactCTR)).bytes()).status)
	require.Equal(t, 200, send(t, h.addr, destinationPost(contactEvent).bytes()).status)
}

// Row 30: bytes that come too slowly.
func slowHeader(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) { s.config.HeaderTimeout = 300 * time.Millisecond })
	for n, header := range []string{"POST", "POST /x HTTP/1.1\r\n", "POST /x HTTP/1.1\r\nHost: x\r\nX-Sl"} {
		c := dial(t, h.addr)
		c.write([]byte(header))
		_, err := c.read()
		require.Error(t, err, "closed without an answer")
		require.Eventually(t, func() bool { return h.counters(t, refused)["none/header_timeout"] == float64(n+1) }, waitFor, tick)
	}
	require.Len(t, h.counters(t, refused), 1)
	require.Len(t, h.log.with(t, "request refused"), 3)
	h.good(t)
}

// A connection on which nothing is asked is no refused request.
func TestSilentConnectionsAreNotCounted(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) {
		s.config.HeaderTimeout, s.config.IdleTimeout = 300*time.Millisecond, 100*time.Millisecond
	})
	for _, first := range []string{"", string(twilioPost(statusPath, callback("sent")).bytes())} {
		c := dial(t, h.addr)
		c.write([]byte(first))
		if first != "" {
			require.Equal(t, 204, c.answer(t).status)
		}
		_, err := c.read()
		require.Error(t, err, "closed by the server")
	}
	require.Empty(t, h.counters(t, refused))
	require.Empty(t, h.log.with(t, "request refused"))
}

func slowBody(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) { s.config.RequestTimeout = 300 * time.Millisecond })
	raw := twilioPost(statusPath, callback("sent")).bytes()
	c := dial(t, h.addr)
	c.write(raw[:len(raw)-10])
	a := c.answer(t)
	require.Equal(t, 408, a.status)
	require.Equal(t, "close", a.header.Get("Connection"))
	h.refusedOnce(t, 408, "twilio/body_timeout")
	h.good(t)
}

// A caller that announces much and sends little holds little.
func TestAnnouncedBytesAreNotReserved(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	raw := stripePost(time.Now(), strings.Repeat("x", 1_000_000)).bytes()
	end := bytes.Index(raw, []byte("\r\n\r\n")) + 4
	c := dial(t, h.addr)
	c.write(raw[:end])
	require.Eventually(t, func() bool { return len(h.counters(t, "waybill_ingest_inflight_bytes")) > 0 }, waitFor, tick)
	require.LessOrEqual(t, h.counters(t, "waybill_ingest_inflight_bytes")[""], float64(72<<10))
	c.write(raw[end:])
	require.Equal(t, 200, c.answer(t).status)
}

func TestConnectionCap(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *setup) { s.config.MaxConnections = 1 })
	first := dial(t, h.addr)
	first.write(request{method: http.MethodGet, uri: "/"}.bytes())
	require.Equal(t, 404, first.answer(t).status)
	second := dial(t, h.addr)
	second.write(request{method: http.MethodGet, uri: "/"}.bytes())
	require.NoError(t, second.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := second.in.Peek(1)
	require.Error(t, err, "one connection is served at once")
	require.NoError(t, second.SetReadDeadline(time.Now().Add(waitFor)))
	require.NoError(t, first.Close())
	require.Equal(t, 404, second.answer(t).status)
}
