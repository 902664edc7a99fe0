package privacy_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/embedded"
	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/testkit"
)

// The canaries. Whatever holds one of the first two words, or a secret, tells
// of a person or lets somebody in.
const (
	canaryNumber = "+12025550191"
	canaryDigits = "2025550191"
	canaryWord   = "qzcanary"
	canaryMail   = "qzcanary@mail.example"
	canaryText   = "qzcanary writes that it is ill, qzcanary@mail.example"
	canaryName   = "Qzcanary Smith"
	canaryToken  = "qzcanary-bearer-token"
	canaryQuery  = "qzcanary-query-value"
	canaryURL    = "https://media.example/qzcanary.jpg"
	canarySecret = "qzcanary-hunter2"
)

const (
	statusPath  = "/api/webhooks/sms/status"
	inboundPath = "/api/webhooks/sms"
)

// sightings are the lines of a text that hold a canary or one of the secrets.
func sightings(text string, secrets ...string) (lines []string) {
	for _, line := range strings.Split(text, "\n") {
		small := strings.ToLower(line)
		found := strings.Contains(small, canaryWord) || strings.Contains(small, canaryDigits)
		for _, s := range secrets {
			found = found || strings.Contains(line, s)
		}
		if found {
			lines = append(lines, line[:min(len(line), 500)])
		}
	}
	return lines
}

// form is a callback in which everything that a provider may say is a canary.
func (p *program) form(from tenant, sid string, more ...string) url.Values {
	f := url.Values{
		"MessageSid": {sid}, "AccountSid": {from.Account}, "From": {from.number}, "To": {canaryNumber}, "MessageStatus": {"sent"},
		"ProfileName": {canaryName}, "FromCity": {canaryWord}, "Note": {canaryText},
	}
	for i := 0; i < len(more); i += 2 {
		f.Set(more[i], more[i+1])
	}
	return f
}

func (p *program) inbound(to tenant, sid string, more ...string) url.Values {
	return p.form(to, sid, append([]string{
		"From", canaryNumber, "To", to.number, "Body", canaryText, "SmsStatus", "received", "MessageStatus", "", "NumMedia", "1", "MediaUrl0", canaryURL,
	}, more...)...)
}

// twilio plays callbacks of every kind and fate.
func (p *program) twilio() {
	a := p.a
	sid, early, foreign := p.id("SM"), p.id("SM"), p.id("SM")
	p.send(events.Send{
		Org: events.OrgID(a.org), Account: a.Account, ProviderID: sid, From: a.number, To: canaryNumber,
		CampaignID: uuid.NewString(), CustomerID: uuid.NewString(),
	})
	p.send(events.Send{Org: events.OrgID(p.b.org), Account: p.b.Account, ProviderID: foreign, From: p.b.number, To: canaryNumber})
	good := p.a.Sign(statusPath+"?note="+canaryQuery, p.form(a, sid))
	p.call(good, http.StatusNoContent)
	p.call(good, http.StatusNoContent) // a duplicate
	p.call(a.Sign(statusPath, p.form(a, sid, "MessageStatus", "undelivered", "ErrorCode", "30003")), http.StatusNoContent)
	p.call(a.Sign(statusPath, p.form(a, early)), http.StatusNoContent)                                               // parked
	p.call(a.Sign(statusPath, p.form(a, foreign)), http.StatusNoContent)                                             // quarantined
	p.call(a.Sign(inboundPath, p.inbound(a, p.id("SM"))), http.StatusOK)                                             // applied
	p.call(a.Sign(inboundPath, p.inbound(a, p.id("SM"), "To", canaryNumber)), http.StatusOK)                         // by its account
	p.call(a.Sign(inboundPath, p.inbound(a, p.id("SM"), "Body", strings.Repeat(canaryText, 10_000))), http.StatusOK) // dead
	for _, bad := range [][]string{
		{"MessageStatus", "singing"},
		{"MessageStatus", canaryNumber},
		{"ErrorCode", canaryText},
		{"MessageSid", canaryMail},
		{"MessageSid", "SM" + canaryWord},
		{"To", strings.Repeat(canaryNumber, 1000)},
		{"MessageSid", ""},
	} {
		p.call(a.Sign(statusPath, p.form(a, p.id("SM"), bad...)), http.StatusNoContent) // dead
	}
	twice := p.form(a, sid)
	twice.Add("To", canaryMail)
	p.call(a.Sign(statusPath, twice), http.StatusNoContent)
	p.call(a.Sign(statusPath+"?wb="+canaryQuery, p.form(a, p.id("SM"))), http.StatusNoContent)
	p.refused(sid)
}

// refused plays what is not let in.
func (p *program) refused(sid string) {
	forged := p.a
	forged.Token = canaryToken
	r := forged.Sign(statusPath+"?to="+canaryQuery+"&"+canaryWord, p.form(p.a, sid))
	r.Header.Set("Authorization", "Bearer "+canaryToken)
	r.Header.Set("X-Name", canaryName)
	p.call(r, http.StatusUnauthorized)
	stranger := p.a
	stranger.Account = "AC" + canaryWord
	p.answered(stranger.Sign(statusPath, p.form(stranger, sid)))
	stranger.Account = p.id("AC")
	p.answered(stranger.Sign(statusPath, p.form(stranger, sid)))
	for _, change := range []func(*simulate.Request){
		func(r *simulate.Request) { r.Method = strings.ToUpper(canaryWord) },
		func(r *simulate.Request) { r.Path = statusPath + "/" + canaryWord + "?q=" + canaryQuery },
		func(r *simulate.Request) { r.Path = "/" + canaryMail },
		func(r *simulate.Request) { r.Body = bytes.Repeat([]byte(canaryText), 100_000) },
		func(r *simulate.Request) { r.Header.Set("Content-Type", "text/"+canaryWord) },
		func(r *simulate.Request) { r.Header.Set("X-Twilio-Signature", canaryToken) },
		func(r *simulate.Request) { r.Header.Del("X-Twilio-Signature") },
		func(r *simulate.Request) { r.Header.Set("Content-Encoding", canaryWord) },
		func(r *simulate.Request) { r.Body = []byte(canaryText + "%zz=" + canaryNumber) },
	} {
		r := p.a.Sign(statusPath, p.form(p.a, sid))
		change(&r)
		p.answered(r)
	}
}

// answered sends a request that must not be accepted.
func (p *program) answered(r simulate.Request) {
	p.t.Helper()
	status, err := p.client.Do(p.t.Context(), &r)
	if err == nil { // one that is cut off was not accepted either
		require.GreaterOrEqual(p.t, status, 400, "%s %s", r.Method, r.Path)
	}
}

func (p *program) billing() {
	object := fmt.Sprintf(`{"id":"sub_1","object":"subscription","customer":"cus_1","status":"active","customer_email":%q,"name":%q,"phone":%q}`,
		canaryMail, canaryName, canaryNumber)
	event := func(id, typ, object string) []byte {
		return fmt.Appendf(nil, `{"id":%q,"object":"event","api_version":"2025-09-30.clover","created":%d,"livemode":false,"type":%q,"data":{"object":%s}}`,
			id, time.Now().Unix(), typ, object)
	}
	for _, body := range [][]byte{
		event("evt_1", "customer.subscription.created", object), event("evt_2", "customer.updated", object),
		event("evt_3", "payment."+canaryWord, object), []byte(canaryText), event("evt_4", "customer.subscription.updated", `"`+canaryText+`"`),
		event("evt "+canaryNumber, "customer.updated", object),
	} {
		p.call(p.stripe.Sign(body, time.Now()), http.StatusOK)
	}
	forged := simulate.Stripe{Secret: canaryToken}
	p.answered(forged.Sign(event("evt_5", "customer.updated", object), time.Now()))
	p.answered(p.stripe.Sign(event("evt_6", "customer.updated", object), time.Now().Add(-time.Hour)))
}

// rubbish puts records onto topics that no part of Waybill would write.
func (p *program) rubbish() {
	header := func(k, v string) events.Header { return events.Header{Key: k, Value: []byte(v)} }
	send := []byte(`{"org_id":"` + canaryWord + `","channel":"` + canaryMail + `","to":"` + canaryNumber + `","` + canaryWord + `":1}`)
	mailed := []byte(`{"org_id":"` + p.a.org + `","channel":"email","provider":"ses","provider_id":"` + uuid.NewString() + `","to":"` + canaryMail + `"}`)
	nobody := []byte(`{"org_id":"` + uuid.NewString() + `","channel":"sms","provider":"twilio","provider_id":"` + p.id("SM") + `","to":"` + canaryNumber + `"}`)
	stray := events.Message{
		EventID: "x", Receipt: events.ReceiptID(uuid.NewString()), Kind: events.KindMessage, Provider: events.Twilio, Org: events.OrgID(p.a.org), Row: canaryNumber,
		Channel: events.SMS, Direction: events.Inbound, Status: "received", Body: canaryText, From: canaryNumber, ReceivedAt: time.Now(),
	}
	unresolved, err := stray.Record()
	require.NoError(p.t, err)
	stray.Row = events.RowID(uuid.NewString())
	stray.CustomerID, stray.CampaignID, stray.Status = canaryMail, canaryWord, canaryText
	odd, err := stray.Record()
	require.NoError(p.t, err)
	records := []events.Record{
		unresolved, odd,
		{Topic: events.TopicSends, Key: []byte(canaryNumber), Value: send, Headers: []events.Header{header("ce_id", canaryWord)}},
		{Topic: events.TopicSends, Key: []byte(canaryNumber), Value: []byte(canaryText)},
		{Topic: events.TopicSends, Key: []byte(canaryNumber), Value: mailed, Headers: []events.Header{header("ce_id", canaryMail)}},
		{Topic: events.TopicSends, Key: []byte(canaryNumber), Value: nobody},
		{Topic: events.TopicRawTwilio, Key: []byte(canaryNumber), Value: []byte(canaryText)},
		{Topic: events.TopicRawTwilio, Key: []byte(canaryNumber), Value: []byte(canaryText), Headers: []events.Header{
			header("ce_specversion", "1.0"), header("ce_id", canaryWord), header("ce_type", events.TypeRaw), header("ce_time", canaryWord),
			header("waybill_provider", "twilio"), header("waybill_kind", canaryWord), header("waybill_signer", canaryNumber),
		}},
		{Topic: events.TopicRawStripe, Key: []byte(canaryWord), Value: []byte(canaryText), Headers: []events.Header{header("waybill_provider", canaryWord)}},
		{Topic: events.TopicMessages, Key: []byte(canaryNumber), Value: []byte(`{"event_id":"` + canaryWord + `","org_id":"` + canaryNumber + `"`)},
		{Topic: events.TopicBilling, Key: []byte(canaryNumber), Value: []byte(`{"event_id":"x","created":"` + canaryText + `"}`)},
	}
	require.NoError(p.t, p.kafka.Publish(p.t.Context(), records...))
	lines := string(send) + "\n" + canaryText + "\n{\"org_id\":\"" + p.a.org + "\",\"channel\":\"" + canaryWord + "\",\"to\":5}\n"
	sent, err := operate.RecordSends(p.t.Context(), strings.NewReader(lines), p.kafka, time.Now, func(int) {})
	require.NoError(p.t, err)
	require.Len(p.t, sent.Rejected, 3)
	require.Empty(p.t, sightings(fmt.Sprint(sent.Rejected)))
}

// verbs asks questions that cannot be answered. What an operator asks for is
// shown to them; why it failed must not name anybody else.
func (p *program) verbs() {
	nowhere := "postgres://waybill_operator:" + canarySecret + "@" + testkit.FreeAddress(p.t) + "/waybill"
	broken := "postgres://" + canaryWord + ":" + canarySecret + "@[:" + canarySecret + "/x"
	for _, database := range []string{nowhere, broken, ""} {
		for _, args := range [][]string{{"trace", canaryNumber}, {"held", "list"}, {"audit"}, {"export", "--org", p.a.org}, {"erase", "--org", p.a.org, "--dry-run"}, {"migrate", "status"}} {
			c := p.process("waybill", append(os.Environ(), "WAYBILL_DATABASE_URL="+database, "WAYBILL_SECRET_KEY="+canarySecret), args...)
			require.Equal(p.t, 1, c.Status(patience), "%v", args)
		}
	}
	secret := filepath.Join(p.t.TempDir(), "token")
	require.NoError(p.t, os.WriteFile(secret, []byte(canaryToken+strings.Repeat("x", 5000)), 0o600))
	p.verb(3, "trace", "nobody."+canaryMail)
	p.verb(3, "campaign", "show", uuid.NewString())
	p.verb(3, "held", "show", "twilio/x")
	p.verb(3, "export", "--org", uuid.NewString())
	p.verb(3, "export", "--org", p.a.org, "--customer", uuid.NewString())
	p.verb(3, "erase", "--org", p.a.org, "--customer", uuid.NewString(), "--yes")
	p.verb(2, "erase", "--org", p.a.org, "--address", canaryMail)
	p.verb(2, "erase", "--org", p.a.org, "--address", canaryWord, "--yes")
	p.verb(1, "account", "add", "twilio", "--org", p.a.org, "--sid", p.id("AC"), "--auth-token-file", secret)
	p.verb(0, "export", "--org", p.a.org, "--out", filepath.Join(p.t.TempDir(), "out"))
	p.verb(0, "erase", "--org", p.a.org, "--address", canaryNumber, "--dry-run")
	p.verb(0, "held", "replay", "--all", "--dry-run")
	p.verb(0, "held", "replay", "--all")
}

// alone runs the single-purpose processes without what they need, and with
// settings that cannot be used.
func (p *program) alone() {
	nowhere := "postgres://waybill_router:" + canarySecret + "@" + testkit.FreeAddress(p.t) + "/waybill"
	for _, name := range []string{"router", "workers"} {
		admin := testkit.FreeAddress(p.t)
		c := p.process(name, []string{
			"WAYBILL_LOG_LEVEL=DEBUG", "WAYBILL_ADMIN_LISTEN=" + admin, "WAYBILL_KAFKA_BROKERS=" + testkit.FreeAddress(p.t), "WAYBILL_DATABASE_URL=" + nowhere,
			"WAYBILL_KAFKA_SASL_MECHANISM=PLAIN", "WAYBILL_KAFKA_USERNAME=user", "WAYBILL_KAFKA_PASSWORD=" + canarySecret,
		})
		c.Await("/healthz", http.StatusOK)
		_, body := c.Ask("/readyz")
		require.Empty(p.t, sightings(body))
		require.Zero(p.t, c.Stop())
	}
	for _, name := range []string{"ingest", "router", "workers"} {
		c := p.process(name, []string{
			"WAYBILL_LOG_LEVEL=" + canarySecret, "WAYBILL_DATABASE_URL=" + canarySecret, "WAYBILL_SECRET_KEY=" + canarySecret, "WAYBILL_PARK_MAX_AGE=" + canarySecret,
			"WAYBILL_PUBLIC_URL=https://user:" + canarySecret + "@hooks.example.com", "WAYBILL_KAFKA_PASSWORD=" + canarySecret, "WAYBILL_RETENTION_RAW=" + canarySecret,
			"WAYBILL_INGEST_MAX_CONNECTIONS=" + canarySecret,
		})
		require.Equal(p.t, 1, c.Status(patience))
	}
}

// brokerAway has an ingest lose its broker while callbacks come.
func (p *program) brokerAway() {
	broker, err := embedded.StartKafka(p.t.Context(), embedded.KafkaOptions{Dir: p.t.TempDir(), Topics: events.Topics(events.Embedded)})
	require.NoError(p.t, err)
	defer broker.Stop()
	key, err := seal.ParseKey(p.key)
	require.NoError(p.t, err)
	listen := testkit.FreeAddress(p.t)
	account := simulate.Twilio{PublicURL: "https://hooks.example.com", Account: p.a.Account, Token: p.a.Token}
	id := uuid.NewString()
	signer := events.ConfigSigner{Provider: "twilio", Name: account.Account, Tokens: []events.ConfigToken{{ID: id, Sealed: key.Seal([]byte(account.Token), id)}}}
	rec, err := events.ConfigRecord(signer.Key(), &signer, time.Now())
	require.NoError(p.t, err)
	other, err := newKafka(broker.Addr())
	require.NoError(p.t, err)
	require.NoError(p.t, other.Publish(p.t.Context(), rec))
	require.NoError(p.t, other.Close(p.t.Context()))
	c := p.process("ingest", []string{
		"WAYBILL_LOG_LEVEL=DEBUG", "WAYBILL_LISTEN=" + listen, "WAYBILL_ADMIN_LISTEN=" + testkit.FreeAddress(p.t), "WAYBILL_KAFKA_BROKERS=" + broker.Addr(),
		"WAYBILL_PUBLIC_URL=https://hooks.example.com", "WAYBILL_SECRET_KEY=" + p.key, "WAYBILL_INGEST_DRAIN_DELAY=0s", "WAYBILL_INGEST_REQUEST_TIMEOUT=1s",
	})
	client := simulate.NewClient("http://"+listen, 1)
	defer client.Close()
	r := account.Sign(statusPath+"?q="+canaryQuery, p.form(p.a, p.id("SM")))
	becomes := func(want int) {
		require.Eventually(p.t, func() bool {
			got, err := client.Do(p.t.Context(), &r)
			return err == nil && got == want
		}, patience, 20*time.Millisecond, "it is not answered %d", want)
	}
	becomes(http.StatusNoContent)
	broker.Stop()
	becomes(http.StatusServiceUnavailable)
	_, metrics := c.Ask("/metrics")
	require.NotEmpty(p.t, metrics)
	require.Empty(p.t, sightings(metrics, p.secrets()...))
	require.Zero(p.t, c.Stop())
}

// databaseAway freezes the private PostgreSQL while callbacks come, until
// statements were given up.
func (p *program) databaseAway() {
	text, err := os.ReadFile(filepath.Join(p.dir, "postgres", "postmaster.pid"))
	require.NoError(p.t, err)
	line, _, _ := strings.Cut(string(text), "\n")
	postmaster, err := strconv.Atoi(line)
	require.NoError(p.t, err)
	require.NoError(p.t, syscall.Kill(postmaster, syscall.SIGSTOP))
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(p.t, err)
	stopped := []int{postmaster}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && fields[1] == line {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
			stopped = append(stopped, pid)
		}
	}
	thaw := func() {
		for _, pid := range stopped {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
	defer thaw()
	require.Greater(p.t, len(stopped), 1)
	failed := p.metric("waybill_kafka_handle_failures_total")
	p.call(p.a.Sign(inboundPath, p.inbound(p.a, p.id("SM"))), http.StatusOK)
	p.call(p.a.Sign(statusPath, p.form(p.a, p.id("SM"))), http.StatusNoContent)
	require.Eventually(p.t, func() bool { return p.metric("waybill_kafka_handle_failures_total") > failed }, patience, 50*time.Millisecond)
}

// metric sums a metric's series; -1 if there is none.
func (p *program) metric(name string) float64 {
	sum := -1.0
	for _, line := range strings.Split(p.page("/metrics"), "\n") {
		series, value, _ := strings.Cut(line, " ")
		if series == name || strings.HasPrefix(series, name+"{") {
			v, err := strconv.ParseFloat(value, 64)
			require.NoError(p.t, err)
			sum = max(sum, 0) + v
		}
	}
	return sum
}

// secrets let somebody in.
func (p *program) secrets() []string {
	return []string{p.a.Token, p.b.Token, p.stripe.Secret, p.key}
}

func TestNoCanaryIsSeenOutsideOfWhatIsKeptOfPeople(t *testing.T) {
	t.Parallel()
	p := start(t)
	db := p.database()
	p.twilio()
	p.billing()
	p.rubbish()
	const held = "SELECT count(*) FROM held_events WHERE state = $1"
	p.count(db, 2, "SELECT count(*) FROM sms_messages WHERE body <> ''")
	p.count(db, 1, held, "quarantined")
	p.verbs()
	p.alone()
	p.brokerAway()
	p.databaseAway()
	p.count(db, 3, "SELECT count(*) FROM sms_messages WHERE body <> ''")
	p.verb(0, "audit", "--wait", "30s")

	// The search itself sees what is there to be seen.
	require.NotEmpty(t, sightings(p.values(events.TopicRawTwilio)))
	require.NotEmpty(t, sightings(p.values(events.TopicMessages)))
	require.NotEmpty(t, sightings("x "+strings.ToUpper(canaryMail)))
	require.NotEmpty(t, sightings(p.a.Token, p.secrets()...))

	require.Positive(t, strings.Count(p.values(events.TopicStatusMessages), "\n"))
	require.Positive(t, strings.Count(p.values(events.TopicRejected), "\n"))
	for _, topic := range []string{
		events.TopicStatusMessages, events.TopicStatusCalls, events.TopicStatusCampaigns, events.TopicControl, events.TopicRejected, events.TopicConfig,
	} {
		require.Empty(t, sightings(p.values(topic), p.secrets()...), topic)
	}
	for _, page := range []string{"/metrics", "/healthz", "/readyz"} {
		require.Empty(t, sightings(p.page(page), p.secrets()...), page)
	}
	require.Zero(t, p.Stop())
	lines := 0
	for _, c := range p.said {
		if c.Running() {
			c.Stop()
		}
		said := c.Said()
		lines += strings.Count(said, "\n")
		require.Empty(t, sightings(said, p.secrets()...), c.Name)
	}
	require.Contains(t, p.Said(), `"level":"DEBUG"`)
	log, err := os.ReadFile(filepath.Join(p.dir, "postgres.log"))
	require.NoError(t, err)
	require.Empty(t, sightings(string(log), p.secrets()...), "postgres.log")
	t.Logf("%d lines of %d processes, no canary", lines, len(p.said))
}
