package router_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/obs"
	"waybill/internal/postgres"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/stripe"
	"waybill/internal/provider/twilio"
	"waybill/internal/router"
	"waybill/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const patience = 20 * time.Second

// rig is a running router over a real database and broker, with two
// organisations A and B.
type rig struct {
	t            *testing.T
	client       *kafkabus.Client
	owner        *pgxpool.Pool
	registry     *prometheus.Registry
	orgA, orgB   events.OrgID
	signA, signB string
	messages     chan events.Message
	billing      chan events.Billing
	config       chan events.Record
}

type consumers struct{ client *kafkabus.Client }

func (c consumers) Consumer(group string, topics []string, h bus.Handler) bus.Consumer {
	return c.client.Consumer(kafkabus.ConsumerOptions{Group: group, Topics: topics, Handler: h})
}

func newRig(t *testing.T, change ...func(*router.Options)) *rig {
	t.Helper()
	db := testkit.Database(t)
	log := slog.New(slog.DiscardHandler)
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{testkit.Kafka(t)}}, log, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	g := &rig{
		t: t, client: client, owner: db.Pool(t, testkit.Owner), registry: prometheus.NewRegistry(),
		orgA: events.OrgID(uuid.NewString()), orgB: events.OrgID(uuid.NewString()),
		signA: "AC0000000000000000000000000000000a", signB: "AC0000000000000000000000000000000b",
		messages: make(chan events.Message, 100), billing: make(chan events.Billing, 100), config: make(chan events.Record, 100),
	}
	for org, sid := range map[events.OrgID]string{g.orgA: g.signA, g.orgB: g.signB} {
		account := uuid.NewString()
		g.exec("INSERT INTO organizations (id, name) VALUES ($1, 'test')", org)
		g.exec("INSERT INTO accounts (id, provider, name) VALUES ($1, 'twilio', $2)", account, sid)
		g.exec("INSERT INTO account_orgs (account_id, org_id, valid) VALUES ($1, $2, tstzrange(NULL, NULL))", account, org)
	}
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: config.Secret(db.URL(testkit.Router)), MaxConns: 6})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	feed := postgres.NewConfigFeed(pool)
	t.Cleanup(feed.Close)
	parts := router.Options{
		Config:  router.Config{ParkMaxAge: 72 * time.Hour, AdoptAfter: 15 * time.Minute, MaxParked: 1000, CacheBytes: 1 << 20},
		Parsers: []provider.Parser{twilio.Parser{}, ses.Parser{}, connect.Parser{}, stripe.Parser{}},
		Store:   postgres.NewRouting(pool), Positions: postgres.NewOffsets(pool, events.GroupRouter), Feed: feed,
		Publisher: client, Follower: client, Consumers: consumers{client},
		Log: log, Registerer: g.registry, Health: obs.NewHealth(),
	}
	for _, c := range change {
		c(&parts)
	}
	r := router.New(parts)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-done) })
	follow(g, events.TopicMessages, func(rec *events.Record) {
		m, err := events.DecodeMessage(rec)
		require.NoError(t, err)
		g.messages <- m
	})
	follow(g, events.TopicBilling, func(rec *events.Record) {
		b, err := events.DecodeBilling(rec)
		require.NoError(t, err)
		g.billing <- b
	})
	follow(g, events.TopicConfig, func(rec *events.Record) { g.config <- *rec })
	return g
}

func follow(g *rig, topic string, fn func(*events.Record)) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.client.Follow(ctx, topic, func(records []events.Record, _ bool) {
			for i := range records {
				fn(&records[i])
			}
		})
	}()
	g.t.Cleanup(func() { stop(); <-done })
}

func (g *rig) exec(sql string, args ...any) {
	g.t.Helper()
	_, err := g.owner.Exec(context.Background(), sql, args...)
	require.NoError(g.t, err)
}

func (g *rig) publish(records ...events.Record) {
	g.t.Helper()
	require.NoError(g.t, g.client.Publish(g.t.Context(), records...))
}

func sid(n int) string { return fmt.Sprintf("SM%032x", n) }

// raw is a verified Twilio request as ingest keeps it.
func raw(signer string, kind events.Kind, key string, form url.Values) events.Record {
	r := events.Raw{
		Receipt: events.NewReceiptID(), Provider: events.Twilio, Kind: kind, Signer: signer, Key: key, Method: "POST",
		URI: "/api/webhooks/sms/status", Body: []byte(form.Encode()), ReceivedAt: events.Millis(time.Now()),
		Headers: []events.Header{{Key: "content-type", Value: []byte("application/x-www-form-urlencoded")}},
	}
	return r.Record()
}

func status(signer string, n int, s string) events.Record {
	return raw(signer, events.KindMessageStatus, sid(n), url.Values{
		"MessageSid": {sid(n)}, "AccountSid": {signer}, "From": {"+15550100001"}, "To": {"+15550100002"}, "MessageStatus": {s},
	})
}

func (g *rig) send(org events.OrgID, n int) events.Record {
	s := events.Send{
		Org: org, Channel: events.SMS, Provider: events.Twilio, ProviderID: sid(n), Status: "accepted",
		Receipt: events.NewReceiptID(), ReceivedAt: time.Now(),
	}
	rec, err := s.Record()
	require.NoError(g.t, err)
	return rec
}

func next[T any](g *rig, from chan T) T {
	g.t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		require.FailNow(g.t, "nothing came")
		panic("unreachable")
	}
}

// until asks again until nothing is missing. Nothing signals a row in a table.
func (g *rig) until(missing func() string) {
	g.t.Helper()
	deadline := time.Now().Add(patience)
	for what := missing(); what != ""; what = missing() {
		require.True(g.t, time.Now().Before(deadline), what)
		<-time.After(10 * time.Millisecond)
	}
}

// held waits until the events that are held in a state are these reasons.
func (g *rig) held(state events.Outcome, reasons ...string) {
	g.t.Helper()
	g.until(func() string {
		rows, err := g.owner.Query(context.Background(), "SELECT reason FROM held_events WHERE state = $1 ORDER BY reason", state)
		require.NoError(g.t, err)
		have, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(g.t, err)
		if slices.Equal(have, reasons) {
			return ""
		}
		return fmt.Sprintf("held as %s: %v, wanted %v", state, have, reasons)
	})
}

func (g *rig) violations(kind string) int {
	g.t.Helper()
	return g.counter("waybill_org_boundary_violations_total", kind)
}

// counter returns the value of a counter, of its first label's value if one is given.
func (g *rig) counter(name string, label ...string) int {
	g.t.Helper()
	families, err := g.registry.Gather()
	require.NoError(g.t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(label) == 0 || m.GetLabel()[0].GetValue() == label[0] {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	require.FailNow(g.t, "the counter does not exist")
	return 0
}

func TestAnEarlyCallbackIsParkedAndReleasedByItsSend(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.publish(status(g.signA, 1, "delivered"))
	g.held(events.Parked, "no_mapping")
	recorded := time.Now()
	g.publish(g.send(g.orgA, 1))
	var kinds []events.Kind
	for range 2 {
		m := next(g, g.messages)
		require.Equal(t, g.orgA, m.Org)
		require.Equal(t, events.DeriveRowID(g.orgA, events.Twilio, sid(1)), m.Row)
		kinds = append(kinds, m.Kind)
	}
	t.Logf("released %s after the send was published", time.Since(recorded).Round(time.Millisecond))
	require.ElementsMatch(t, []events.Kind{events.KindSend, events.KindMessageStatus}, kinds)
	g.held(events.Parked)
}

func TestAnotherOrgsSignatureIsQuarantinedAndTheGenuineOneGoesOn(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	require.Zero(t, g.violations("signer_not_entitled"), "alarms need the counter at zero from the start")
	g.publish(g.send(g.orgA, 1))
	next(g, g.messages)
	g.publish(status(g.signB, 1, "delivered"), status(g.signA, 1, "sent"))
	m := next(g, g.messages)
	require.Equal(t, "sent", m.Status)
	require.Equal(t, g.orgA, m.Org)
	g.held(events.Quarantined, "signer_not_entitled")
	require.Equal(t, 1, g.violations("signer_not_entitled"))
}

func TestWhatCannotWorkIsDeadAndItsNeighboursGoOn(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.publish(g.send(g.orgA, 1))
	next(g, g.messages)
	twice := url.Values{"MessageSid": {sid(1)}, "AccountSid": {g.signA}, "MessageStatus": {"sent", "delivered"}}
	foreign := events.Record{Topic: events.TopicRawTwilio, Key: []byte("x"), Value: []byte("not ours")}
	g.publish(raw(g.signA, events.KindMessageStatus, sid(1), twice), foreign, status(g.signA, 1, "sent"))
	require.Equal(t, "sent", next(g, g.messages).Status)
	g.held(events.Dead, "repeated_parameter", "wrong_type")
	var named int
	require.NoError(t, g.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_events WHERE named_key = $1", "resource=twilio:"+sid(1)).Scan(&named))
	require.Equal(t, 1, named, "a dead letter is found under the id that it names")
}

func TestAnInboundMessageGoesToTheHolderOfTheNumber(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.exec(`INSERT INTO senders (id, org_id, kind, value, slot, valid) VALUES ($1, $2, 'number', '+15550100009', int8range(NULL, NULL), tstzrange(NULL, NULL))`,
		uuid.NewString(), g.orgB)
	form := url.Values{
		"MessageSid": {sid(7)}, "AccountSid": {g.signB}, "From": {"+15550100002"}, "To": {"+15550100009"}, "Body": {"hello \x00 there"},
		"SmsStatus": {"received"},
	}
	g.publish(raw(g.signB, events.KindMessage, sid(7), form))
	m := next(g, g.messages)
	require.Equal(t, g.orgB, m.Org)
	require.Equal(t, "sender", m.ResolvedBy)
	require.Equal(t, "hello \uFFFD there", m.Body)
	form.Set("AccountSid", g.signA)
	g.publish(raw(g.signA, events.KindMessage, sid(7), form))
	g.held(events.Quarantined, "signer_not_entitled")
}

func TestASendForATakenIdIsQuarantinedAndChangesNothing(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.publish(g.send(g.orgA, 1))
	next(g, g.messages)
	g.publish(g.send(g.orgB, 1), g.send(events.OrgID(uuid.NewString()), 2))
	g.held(events.Quarantined, "taken_by_another_org")
	g.held(events.Dead, "unknown_org")
	g.publish(status(g.signA, 1, "sent"))
	require.Equal(t, g.orgA, next(g, g.messages).Org)
}

func TestAStripeEventNeedsNoOrganisation(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	body := `{"id":"evt_1","object":"event","api_version":"2020-08-27","created":1700000000,"livemode":false,"type":"customer.subscription.created",` +
		`"data":{"object":{"id":"sub_1","object":"subscription","customer":"cus_1","status":"active"}}}`
	r := events.Raw{Receipt: events.NewReceiptID(), Provider: events.Stripe, Kind: events.KindStripe, Signer: "test", Key: "sub_1", Method: "POST", Body: []byte(body), ReceivedAt: time.Now()}
	g.publish(r.Record())
	b := next(g, g.billing)
	require.Equal(t, events.EventID("stripe/test/stripe.event/evt_1"), b.EventID)
	require.Equal(t, "active", b.Subscription.Status)
	require.Equal(t, r.Receipt, b.Receipt)
}

func TestTheConfigTopicFollowsTheDatabase(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	keys := map[string]bool{}
	for range 2 {
		keys[string(next(g, g.config).Key)] = true
	}
	require.Equal(t, map[string]bool{"signer/twilio//" + g.signA: true, "signer/twilio//" + g.signB: true}, keys)
	g.exec("UPDATE accounts SET removed_at = now() WHERE name = $1", g.signB)
	gone := next(g, g.config)
	require.Equal(t, "signer/twilio//"+g.signB, string(gone.Key))
	require.Nil(t, gone.Value)
}

func TestWhatIsHeldAgainWhileItIsReleasedStays(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.publish(status(g.signA, 1, "sent"))
	g.held(events.Parked, "no_mapping")
	g.exec("UPDATE held_events SET ready = true") // nothing was recorded: it will be parked again
	g.until(func() string {
		var ready bool
		require.NoError(t, g.owner.QueryRow(context.Background(), "SELECT coalesce(bool_or(ready), true) FROM held_events").Scan(&ready))
		if ready {
			return "it is not parked again"
		}
		return ""
	})
	g.held(events.Parked, "no_mapping")
	g.publish(g.send(g.orgA, 1))
	next(g, g.messages)
	next(g, g.messages)
}

// A sender may write its records without CloudEvents attributes. Its receipt is
// then its position, and must stay so when it is published at another one.
func TestAReplayedSendKeepsItsReceipt(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	org := events.OrgID(uuid.NewString())
	bare := g.send(org, 1)
	bare.Headers = nil
	g.publish(bare)
	g.held(events.Dead, "unknown_org")
	var receipt events.ReceiptID
	require.NoError(t, g.owner.QueryRow(t.Context(), "SELECT receipt_id FROM held_events").Scan(&receipt))
	g.exec("INSERT INTO organizations (id, name) VALUES ($1, 'late')", org)
	g.exec("UPDATE held_events SET ready = true")
	require.Equal(t, receipt, next(g, g.messages).Receipt)
}

// Each of these send records once stopped its partition: what could not be
// believed was made part of an id or key that the database then refused.
func TestRegressionABadSendRecordDoesNotStopItsPartition(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	org := string(g.orgA)
	for _, body := range []string{
		`{"org_id":"` + org + `","channel":"sms","provider":"twilio","provider_id":"a\u0000b"}`,
		`{"org_id":"` + org + `","channel":"sms","provider":"twilio","provider_id":"x","status":"\u0000"}`,
		`{"org_id":"\u0000","channel":5}`,
		`{"org_id":"` + org + `","channel":"sms","provider":"twilio","provider_id":"` + strings.Repeat("9f3c", 3000) + `"}`,
		`{"org_id":"` + org + `","channel":"sms","provider":"twilio","provider_id":"y","to":"` + strings.Repeat("x", 3<<20) + `"}`,
		`not JSON`,
	} {
		g.publish(events.Record{Topic: events.TopicSends, Key: []byte("k"), Value: []byte(body)})
	}
	good := g.send(g.orgA, 1)
	good.Key = []byte("k") // behind them on their partition
	g.publish(good)
	require.Equal(t, sid(1), next(g, g.messages).ProviderID)
	g.held(events.Dead, "bad_send_record", "bad_send_record", "bad_send_record", "bad_send_record", "bad_send_record", "bad_send_record")
}

// A raw record that no ingest wrote must not stop those that one did.
func TestRegressionARawRecordOfSomebodyElseDoesNotStopItsPartition(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.publish(g.send(g.orgA, 1))
	next(g, g.messages)
	set := func(rec events.Record, name, value string) events.Record {
		rec.Headers = slices.Clone(rec.Headers)
		for i := range rec.Headers {
			if rec.Headers[i].Key == name {
				rec.Headers[i].Value = []byte(value)
			}
		}
		return rec
	}
	g.publish(
		set(status(g.signA, 1, "queued"), "ce_id", "not a UUID"),
		set(status(g.signA, 1, "queued"), "waybill_signer", "\x00"),
		set(status(g.signA, 1, "queued"), "waybill_kind", strings.Repeat("k", 9000)),
		status(g.signA, 1, "sent"))
	said := []string{next(g, g.messages).Status, next(g, g.messages).Status}
	require.Equal(t, []string{"queued", "sent"}, said, "an id that is not ours still names a receipt")
	g.held(events.Dead, "bad_attribute", "bad_attribute")
}

// One held event that can never be published kept its neighbours waiting.
func TestRegressionASpoiltHeldEventDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.publish(status(g.signA, 1, "sent"), status(g.signA, 2, "sent"))
	g.held(events.Parked, "no_mapping", "no_mapping")
	g.exec("UPDATE held_events SET record = 'damaged' WHERE named_key = $1", "resource=twilio:"+sid(1))
	g.publish(g.send(g.orgA, 1), g.send(g.orgA, 2))
	for range 3 {
		next(g, g.messages) // both sends, and the event that can be released
	}
	g.held(events.Parked, "record_damaged")
}

// An event that resolves by our own echoed id teaches the map the provider's
// id: a later send record that knows only that one must meet the same row.
func TestRegressionAnEchoAndALaterSendMeetInOneRow(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	id := uuid.NewString()
	intended := events.Send{Org: g.orgA, Channel: events.SMS, Provider: events.Twilio, MessageID: id, Status: events.Intended, Receipt: events.NewReceiptID(), ReceivedAt: time.Now()}
	rec, err := intended.Record()
	require.NoError(t, err)
	g.publish(rec)
	require.Equal(t, events.RowID(id), next(g, g.messages).Row)
	echoed := status(g.signA, 1, "sent")
	for i := range echoed.Headers {
		if echoed.Headers[i].Key == "http_uri" {
			echoed.Headers[i].Value = []byte("/api/webhooks/sms/status?wb=" + id)
		}
	}
	g.publish(echoed)
	m := next(g, g.messages)
	require.Equal(t, "echo", m.ResolvedBy)
	require.Equal(t, events.RowID(id), m.Row)
	g.publish(g.send(g.orgA, 1))
	require.Equal(t, events.RowID(id), next(g, g.messages).Row)
}
