package control_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/control"
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/testkit"
)

const (
	topicARN = "arn:aws:sns:eu-west-1:123456789012:ses-events"
	token    = "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92768dd60a747ba6f3beb71854e285d6ad02428b09ceece29417f1f02d609c582afbacc99c583a916b9981dd2728f4ae6fdb82efd087cc3b7849e05798d2d2785c03b0879594eeac82c01f235d0e717736"
	patience = 20 * time.Second
)

// The answers of SNS, in the form of its query protocol.
const (
	accepted = `<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><ConfirmSubscriptionResult>` +
		`<SubscriptionArn>` + topicARN + `:5b1d</SubscriptionArn></ConfirmSubscriptionResult>` +
		`<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></ConfirmSubscriptionResponse>`
	refused = `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>CODE</Code>` +
		`<Message>Invalid token: ` + token + `</Message></Error><RequestId>r</RequestId></ErrorResponse>`
)

// call is what SNS was asked.
type call struct {
	form   url.Values
	signed string // the Authorization header
}

// service is SNS: it answers each call with what comes next, and then accepts.
type service struct {
	*httptest.Server
	calls chan call

	mu   sync.Mutex
	next []func(http.ResponseWriter)
}

func serve(t *testing.T, next ...func(http.ResponseWriter)) *service {
	t.Helper()
	s := &service{calls: make(chan call, 100), next: next}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.calls <- call{r.PostForm, r.Header.Get("Authorization")}
		s.answer()(w)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) answer() func(http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.next) == 0 {
		return func(w http.ResponseWriter) { _, _ = w.Write([]byte(accepted)) }
	}
	first := s.next[0]
	s.next = s.next[1:]
	return first
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

func refusal(code string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(strings.Replace(refused, "CODE", code, 1)))
	}
}

// rig is control work over a broker of its own.
type rig struct {
	t        *testing.T
	client   *kafkabus.Client
	registry *prometheus.Registry
	log      *lines
	ahead    atomic.Int64 // how far its clock is ahead
}

// lines is a log that tests read.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{testkit.Kafka(t)}}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	return &rig{t: t, client: client, log: &lines{}}
}

// run does control work against s until the returned function is called.
func (g *rig) run(s *service, credentials aws.CredentialsProvider) (stop func()) {
	g.t.Helper()
	subscriber, err := kafkabus.NewWatermillSubscriber(g.client, kafkabus.WatermillConfig{Group: events.GroupControl, MaxPause: 50 * time.Millisecond})
	require.NoError(g.t, err)
	log := slog.New(slog.NewTextHandler(g.log, nil))
	g.registry = prometheus.NewRegistry()
	c := control.New(control.Options{
		Subscriber: subscriber, Log: log, Registerer: g.registry,
		Now:       func() time.Time { return time.Now().Add(time.Duration(g.ahead.Load())) },
		Confirmer: control.NewSNSWith(credentials, func(o *sns.Options) { o.BaseEndpoint = aws.String(s.URL) }),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); require.NoError(g.t, <-done) })
	g.t.Cleanup(stop)
	return stop
}

// ask publishes the work of confirming a topic. Work of one topic keeps its order.
func (g *rig) ask(token string) {
	g.t.Helper()
	c := events.Confirmation{
		EventID: "ses/" + topicARN + "/topic.control/1", Provider: events.SES, TopicARN: topicARN, Token: token, ReceivedAt: time.Now(),
	}
	rec, err := c.Record()
	require.NoError(g.t, err)
	require.NoError(g.t, g.client.Publish(g.t.Context(), rec))
}

func (g *rig) next(s *service) call {
	g.t.Helper()
	select {
	case c := <-s.calls:
		return c
	case <-time.After(patience):
		require.FailNow(g.t, "nobody asked SNS")
		panic("unreachable")
	}
}

// outcome waits until so many confirmations ended so.
func (g *rig) outcome(name string, want int) {
	g.t.Helper()
	require.Eventually(g.t, func() bool { return g.count(name) == want }, patience, 5*time.Millisecond, name)
}

// oldest returns the age of what is tried again, in whole hours, -1 for none.
func (g *rig) oldest() int {
	families, err := g.registry.Gather()
	require.NoError(g.t, err)
	for _, f := range families {
		if f.GetName() == "waybill_control_oldest_seconds" {
			if age := f.GetMetric()[0].GetGauge().GetValue(); age > 0 {
				return int(age / 3600)
			}
		}
	}
	return -1
}

func (g *rig) count(outcome string) int {
	families, err := g.registry.Gather()
	require.NoError(g.t, err)
	for _, f := range families {
		if f.GetName() != "waybill_control_confirmations_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == outcome {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	require.FailNow(g.t, "the counter does not exist from the start", outcome)
	return 0
}

// quiet requires that nothing of a token is in the log.
func (g *rig) quiet() {
	g.t.Helper()
	require.NotContains(g.t, g.log.String(), token[:16])
}

func TestASubscriptionIsConfirmedWithoutCredentials(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), serve(t)
	g.run(s, nil)
	for _, name := range append(control.Reasons(), "confirmed", "deferred", "expired", "unreadable", "panic") {
		require.Zero(t, g.count(name))
	}
	g.ask(token)
	c := g.next(s)
	require.Equal(t, url.Values{"Action": {"ConfirmSubscription"}, "Version": {"2010-03-31"}, "TopicArn": {topicARN}, "Token": {token}}, c.form)
	require.Empty(t, c.signed)
	g.outcome("confirmed", 1)
	g.quiet()
	require.Contains(t, g.log.String(), topicARN)
}

func TestCredentialsSignForTheTopicsRegion(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), serve(t)
	g.run(s, aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI"}, nil
	}))
	g.ask(token)
	c := g.next(s)
	require.Equal(t, "true", c.form.Get("AuthenticateOnUnsubscribe"), "nobody ends it with a link in a mail")
	require.Regexp(t, `^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-west-1/sns/aws4_request,`, c.signed)
	g.outcome("confirmed", 1)
}

// An outage waits: nothing is lost, and nothing needs an operator.
func TestAnOutageWaitsAndResumesByItself(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := serve(t, status(500), refusal("Throttling"), func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, status(503), refusal("InternalError"))
	g.run(s, nil)
	g.ask(token)
	for range 6 {
		require.Equal(t, token, g.next(s).form.Get("Token"))
	}
	g.outcome("confirmed", 1)
	require.Equal(t, 5, g.count("deferred"))
	g.quiet()
}

// What never works is counted, told and passed: the next of the same topic is done.
func TestWhatNeverWorksStopsNothing(t *testing.T) {
	t.Parallel()
	for code, reason := range map[string]string{
		"InvalidParameter": "invalid_parameter", "NotFound": "topic_not_found", "AuthorizationError": "authorization_error",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			g, s := newRig(t), serve(t, refusal(code))
			g.run(s, nil)
			g.ask("expired-" + token)
			g.ask(token)
			require.Equal(t, "expired-"+token, g.next(s).form.Get("Token"))
			require.Equal(t, token, g.next(s).form.Get("Token"), "asked once, and passed")
			g.outcome("confirmed", 1)
			require.Equal(t, 1, g.count(reason))
			require.Zero(t, g.count("deferred"))
			g.quiet()
			require.Contains(t, g.log.String(), reason)
		})
	}
}

// Regression: a confirmation that wrong credentials kept from being done was
// tried for ever, and nothing behind it on its partition was done.
func TestWorkThatIsOlderThanItsTokenIsPassed(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var mended atomic.Bool
	s := &service{calls: make(chan call, 1000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil || r.PostForm.Get("Token") != token || !mended.Load() {
			refusal("InvalidClientTokenId")(w)
			return
		}
		s.calls <- call{form: r.PostForm}
		_, _ = w.Write([]byte(accepted))
	}))
	t.Cleanup(s.Close)
	g.run(s, nil)
	require.Equal(t, -1, g.oldest())
	g.ask("expired-" + token)
	require.Eventually(t, func() bool { return g.count("deferred") > 0 }, patience, 5*time.Millisecond)
	require.Zero(t, g.oldest())
	g.ahead.Store(int64(71 * time.Hour))
	require.Eventually(t, func() bool { return g.oldest() == 71 }, patience, 5*time.Millisecond, "it is tried until then")
	require.Zero(t, g.count("expired"))
	g.ahead.Store(int64(73 * time.Hour))
	g.outcome("expired", 1)
	require.Equal(t, -1, g.oldest())
	g.ahead.Store(0)
	mended.Store(true)
	g.ask(token)
	require.Equal(t, token, g.next(s).form.Get("Token"))
	g.outcome("confirmed", 1)
	g.quiet()
}

// Work that another process took over is not this one's to tell of.
func TestWhatIsNotTriedHereAnyMoreDoesNotWaitHere(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	g, s := newRig(t), serve(t, status(503), func(http.ResponseWriter) { <-held })
	t.Cleanup(sync.OnceFunc(func() { close(held) }))
	stop := g.run(s, nil)
	g.ask(token)
	g.next(s)
	g.next(s) // it was deferred before
	stop()
	require.Zero(t, g.oldest())
	g.ahead.Store(int64(time.Hour))
	require.Equal(t, -1, g.oldest())
}

func TestWorkThatNobodyKnowsIsPassed(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), serve(t)
	g.run(s, nil)
	require.NoError(t, g.client.Publish(t.Context(), events.Record{Topic: events.TopicControl, Key: []byte(topicARN), Value: []byte(token)}))
	g.ask(token)
	g.next(s)
	g.outcome("confirmed", 1)
	require.Equal(t, 1, g.count("unreadable"))
	g.quiet()
}

// Who dies between the call and its acknowledgement leaves the work to the next
// one, which does it again.
func TestWorkInHandIsDoneAgainByTheNext(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	held := make(chan struct{})
	s := serve(t, func(http.ResponseWriter) { <-held })
	t.Cleanup(sync.OnceFunc(func() { close(held) }))
	stop := g.run(s, nil)
	g.ask(token)
	g.next(s) // SNS may have done it, and nobody heard
	stop()
	g.run(s, nil)
	require.Equal(t, token, g.next(s).form.Get("Token"))
	g.outcome("confirmed", 1)
}

// AWS's own variables say how SNS is reached and who asks.
func TestAWSsOwnConfigurationIsUsed(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	s := serve(t)
	t.Setenv("AWS_ENDPOINT_URL_SNS", s.URL)
	log := slog.New(slog.DiscardHandler)
	require.NoError(t, control.NewSNS(log).Confirm(t.Context(), topicARN, token))
	require.Empty(t, (<-s.calls).signed)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
	require.NoError(t, control.NewSNS(log).Confirm(t.Context(), topicARN, token))
	require.NotEmpty(t, (<-s.calls).signed)
}

// role is the address at which AWS gives a machine its credentials, and SNS. It
// answers with a status until that is 200.
type role struct {
	*httptest.Server
	status  atomic.Int32
	lookups atomic.Int32
	calls   chan call
}

const roleCredentials = `{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"wJalrXUtnFEMI","Token":"t",` +
	`"Expiration":"2999-01-01T00:00:00Z"}`

func serveRole(t *testing.T, status int) *role {
	t.Helper()
	r := &role{calls: make(chan call, 10)}
	r.status.Store(int32(status))
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPost {
			r.calls <- call{signed: q.Header.Get("Authorization")}
			_, _ = w.Write([]byte(accepted))
			return
		}
		r.lookups.Add(1)
		switch now := int(r.status.Load()); {
		case now != http.StatusOK:
			w.WriteHeader(now)
		case q.Method == http.MethodPut: // no token is needed
			w.WriteHeader(http.StatusForbidden)
		case strings.HasSuffix(q.URL.Path, "/security-credentials/"):
			_, _ = w.Write([]byte("waybill"))
		default:
			_, _ = w.Write([]byte(roleCredentials))
		}
	}))
	t.Cleanup(r.Close)
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_ENDPOINT_URL_SNS", r.URL)
	return r
}

// Regression: credentials that could not be had at the first confirmation were
// never looked for again, and whoever knew a subscription could end it.
func TestCredentialsThatFailForAMomentAreWaitedFor(t *testing.T) {
	for name, set := range map[string]func(url string){
		"container": func(url string) { t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url+"/role") },
		"instance":  func(url string) { t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url) },
	} {
		t.Run(name, func(t *testing.T) {
			r := serveRole(t, http.StatusServiceUnavailable)
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
			set(r.URL)
			confirmer := control.NewSNS(slog.New(slog.DiscardHandler))
			err := confirmer.Confirm(t.Context(), topicARN, token)
			require.Equal(t, fault.Unavailable, fault.ClassOf(err), err)
			require.Empty(t, r.calls, "asked without credentials")
			r.status.Store(http.StatusOK)
			require.NoError(t, confirmer.Confirm(t.Context(), topicARN, token))
			require.Contains(t, (<-r.calls).signed, "AKIDEXAMPLE")
		})
	}
}

// A configuration that cannot be read is not taken for none.
func TestABrokenConfigurationIsNotTakenForNone(t *testing.T) {
	r := serveRole(t, http.StatusOK)
	t.Setenv("AWS_PROFILE", "nobody-wrote-it")
	err := control.NewSNS(slog.New(slog.DiscardHandler)).Confirm(t.Context(), topicARN, token)
	require.Equal(t, fault.Unavailable, fault.ClassOf(err), err)
	require.Empty(t, r.calls)
}

// Who seems to have no credentials is told once, and they are looked for again:
// a machine may be given a role.
func TestARoleThatComesLaterIsFound(t *testing.T) {
	r, now, log := serveRole(t, http.StatusNotFound), time.Now(), &lines{}
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", r.URL)
	confirmer := control.NewSNS(slog.New(slog.NewTextHandler(log, nil)))
	confirmer.SetNow(func() time.Time { return now })
	confirm := func() string {
		require.NoError(t, confirmer.Confirm(t.Context(), topicARN, token))
		return (<-r.calls).signed
	}
	require.Empty(t, confirm())
	now = now.Add(control.LookAgain)
	require.Empty(t, confirm())
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log)
	r.status.Store(http.StatusOK)
	require.Empty(t, confirm(), "it is not looked for yet")
	now = now.Add(control.LookAgain)
	require.NotEmpty(t, confirm())
	found := r.lookups.Load()
	now = now.Add(control.LookAgain)
	require.NotEmpty(t, confirm())
	require.Equal(t, found, r.lookups.Load(), "what was found is kept")
}

// Where AWS tells who a machine is, it is not asked for each confirmation, and
// not before there is something to confirm; no connection to it, or to SNS, stays open behind a call.
func TestNoConnectionToAWSStaysOpen(t *testing.T) {
	var lookups, calls, kept atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.Close {
			kept.Add(1)
		}
		if r.Method == http.MethodPost {
			calls.Add(1)
			_, _ = w.Write([]byte(accepted))
			return
		}
		lookups.Add(1)
		w.WriteHeader(http.StatusForbidden) // this machine has no role
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_ENDPOINT_URL_SNS", server.URL)
	confirmer := control.NewSNS(slog.New(slog.DiscardHandler))
	require.Zero(t, lookups.Load())
	require.NoError(t, confirmer.Confirm(t.Context(), topicARN, token))
	first := lookups.Load()
	require.Positive(t, first, "nobody asked for credentials")
	require.NoError(t, confirmer.Confirm(t.Context(), topicARN, token))
	require.Equal(t, first, lookups.Load(), "asked again")
	require.EqualValues(t, 2, calls.Load())
	require.Zero(t, kept.Load())
}
