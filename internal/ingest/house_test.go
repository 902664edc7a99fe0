package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/ingest"
	"waybill/internal/obs"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/sns"
	"waybill/internal/provider/stripe"
	"waybill/internal/provider/twilio"
	"waybill/internal/seal"
)

// clock is a clock that a test can move and stop.
type clock struct {
	ahead   atomic.Int64
	stopped atomic.Pointer[time.Time]
}

func (c *clock) now() time.Time {
	if at := c.stopped.Load(); at != nil {
		return *at
	}
	return time.Now().Add(time.Duration(c.ahead.Load()))
}

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

func (c *clock) stop() {
	at := c.now()
	c.stopped.Store(&at)
}

// lines is a log that tests can read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// with returns the lines with a message.
func (l *lines) with(t *testing.T, message string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.SplitSeq(strings.TrimSpace(l.text()), "\n") {
		if line == "" {
			continue
		}
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		if m["msg"] == message {
			out = append(out, m)
		}
	}
	return out
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// house is an edge that serves on a real socket.
type house struct {
	addr   string
	broker *broker
	reg    *prometheus.Registry
	log    *lines
	health *obs.Health
	clock  *clock
	aws    *aws
	key    *seal.Key
	stop   context.CancelFunc
	done   chan struct{} // closed when Run has returned
	err    error         // what Run returned
}

// setup is what a test may change before the edge starts.
type setup struct {
	config    ingest.Config
	sns       sns.Options
	verifiers func(*sns.Verifier) []provider.Verifier
	signers   []events.Record
}

// testConfig returns the config of a production process, with times that suit a test.
func testConfig(t *testing.T) ingest.Config {
	t.Helper()
	var c ingest.Config
	require.NoError(t, config.Load(&c, config.Source{
		"WAYBILL_LISTEN": "127.0.0.1:0", "WAYBILL_PUBLIC_URL": publicURL, "WAYBILL_SECRET_KEY": seal.NewKey(),
		"WAYBILL_INGEST_DRAIN_DELAY": "0s",
	}))
	return c
}

// open starts an edge that knows the account, an endpoint of Stripe, topics and
// an instance of Amazon Connect, and waits until it is ready.
func open(t *testing.T, change func(*setup)) *house {
	t.Helper()
	s := setup{config: testConfig(t)}
	key, err := seal.ParseKey(string(s.config.SecretKey))
	require.NoError(t, err)
	tw, err := twilio.New(s.config.PublicURL)
	require.NoError(t, err)
	h := &house{
		reg: prometheus.NewRegistry(), log: &lines{}, health: obs.NewHealth(), clock: &clock{}, key: key, done: make(chan struct{}),
	}
	h.aws = newAWS(t)
	s.sns = sns.Options{MaxAge: s.config.SNS.MaxAge, Now: h.clock.now, Fetch: h.aws.fetch}
	s.signers = []events.Record{
		signerRecord(t, key, events.Twilio, account, "an older token", token),
		signerRecord(t, key, events.Twilio, emptyAccount, ""),
		signerRecord(t, key, events.Stripe, "default", stripeSecret),
		topicRecord(t, key, "ses", sesTopic),
		topicRecord(t, key, "connect", connectTopic, instanceToken(key)),
		topicRecord(t, key, "connect", unboundTopic),
		instanceRecord(t, key),
	}
	s.verifiers = func(envelopes *sns.Verifier) []provider.Verifier {
		return []provider.Verifier{tw, stripe.New(stripe.Tolerance), ses.New(envelopes), connect.New(envelopes)}
	}
	if change != nil {
		change(&s)
	}
	h.broker = &broker{config: s.signers}
	edge, err := ingest.New(ingest.Options{
		Config: s.config, Providers: s.verifiers(sns.New(s.sns)), Publisher: h.broker, Follower: h.broker, Key: key,
		Log: obs.NewLogger(h.log, slog.LevelDebug), Registerer: h.reg, Health: h.health, Now: h.clock.now,
	})
	require.NoError(t, err)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h.addr = l.Addr().String()

	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	go func() {
		defer close(h.done)
		h.err = edge.Run(ctx, l)
	}()
	t.Cleanup(func() {
		cancel()
		<-h.done
		require.NoError(t, h.err)
	})
	require.Eventually(t, func() bool { return len(h.health.Problems()) == 0 }, waitFor, tick)
	return h
}

// counters returns every series of a counter or gauge that is not zero, by its labels.
func (h *house) counters(t *testing.T, name string) map[string]float64 {
	t.Helper()
	families, err := h.reg.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			if v := m.GetCounter().GetValue() + m.GetGauge().GetValue(); v != 0 {
				out[strings.Join(labels, "/")] = v
			}
		}
	}
	return out
}

const (
	accepted = "waybill_ingest_accepted_total"
	refused  = "waybill_ingest_refused_total"
)

// good sends a genuine request and requires that it is taken.
func (h *house) good(t *testing.T) {
	t.Helper()
	before := len(h.broker.on(events.TopicRawTwilio))
	a := send(t, h.addr, twilioPost(statusPath, callback("delivered")).bytes())
	require.Equal(t, 204, a.status)
	require.Empty(t, a.body)
	require.Len(t, h.broker.on(events.TopicRawTwilio), before+1)
}
