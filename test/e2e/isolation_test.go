package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/app"
	"waybill/internal/config"
	"waybill/internal/embedded"
	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

// The five scenarios of a platform that serves several organisations.

// exitNotFound is the command's exit status for what is not on record.
const exitNotFound = 3

// command runs the operators' command as a process and returns its exit status.
func (h *house) command(args ...string) int {
	h.t.Helper()
	env := []string{"WAYBILL_DATABASE_URL=" + h.ready.DatabaseURL, "WAYBILL_KAFKA_BROKERS=" + h.ready.KafkaBrokers}
	return testkit.Start(h.t, "waybill", env, args...).Status(patience)
}

// campaignSend records a send of a campaign and waits for its row.
func (h *house) campaignSend(by tenant, campaign, customer string) string {
	h.t.Helper()
	sid := h.id("SM")
	h.send(events.Send{
		Org: events.OrgID(by.org), Account: by.Account, ProviderID: sid, From: by.number, To: person, CampaignID: campaign, CustomerID: customer,
	})
	h.row(sid, "accepted")
	return sid
}

func (h *house) numbers(campaign, org string) operate.Numbers {
	h.t.Helper()
	n, err := operate.ShowCampaign(h.t.Context(), h.inspect, campaign, org)
	require.NoError(h.t, err)
	require.True(h.t, n.Equal, "%+v", n)
	return n
}

// quarantined waits until an event about an id is held for a reason.
func (h *house) quarantined(id, reason string) {
	h.t.Helper()
	h.event(id, func(e *history.Event) bool { return e.Outcome == events.Quarantined && e.Reason == reason })
}

const (
	notEntitled = `waybill_org_boundary_violations_total{kind="signer_not_entitled"}`
	taken       = `waybill_org_boundary_violations_total{kind="taken_by_another_org"}`
	heldTwilio  = `waybill_router_held_total{provider="twilio",state="quarantined"}`
	heldSender  = `waybill_router_held_total{provider="sender",state="quarantined"}`
)

// Data isolation: two organisations have the same customer, the same campaign
// id and the same person on the line, and each sees its own part alone.
func TestDataIsolation(t *testing.T) {
	h := open(t)
	campaign, customer := uuid.NewString(), uuid.NewString()
	mine, theirs := h.campaignSend(h.a, campaign, customer), h.campaignSend(h.b, campaign, customer)
	h.status(h.a, mine, "delivered", "")
	h.status(h.b, theirs, "undelivered", "30003")
	row := h.row(mine, "delivered")
	require.Equal(t, h.a.org, string(row.Org))
	require.Equal(t, h.b.org, string(h.row(theirs, "undelivered").Org))
	require.Equal(t, map[string]int64{"delivered": 1}, h.numbers(campaign, h.a.org).Counters)
	require.Equal(t, map[string]int64{"undelivered": 1}, h.numbers(campaign, h.b.org).Counters)

	for _, id := range []string{mine, row.ID} {
		require.Zero(t, h.command("trace", id, "--org", h.a.org))
		require.Equal(t, exitNotFound, h.command("trace", id, "--org", h.b.org), "another organisation's id")
	}
	require.Equal(t, 2, h.command("campaign", "show", campaign), "two organisations have it: which one is meant?")
	for _, shared := range []string{person, campaign} {
		for _, of := range []tenant{h.a, h.b} {
			story, err := operate.Trace(t.Context(), h.inspect, shared, of.org)
			require.NoError(t, err)
			require.NotEmpty(t, story.Resources)
			for i := range story.Resources {
				require.Equal(t, of.org, string(story.Resources[i].Org))
			}
			for i := range story.StatusEvents {
				require.Equal(t, of.org, string(story.StatusEvents[i].Org))
			}
		}
	}
	var customers int
	require.NoError(t, h.sql.QueryRow(t.Context(), "SELECT count(*) FROM customers WHERE id = $1", customer).Scan(&customers))
	require.Equal(t, 2, customers, "one id, one row for each organisation")
}

// Campaign isolation: another organisation's campaign is not found, and nothing
// that one organisation sends moves another's rows or numbers.
func TestCampaignIsolation(t *testing.T) {
	h := open(t)
	campaign, own := uuid.NewString(), uuid.NewString()
	sid := h.campaignSend(h.b, campaign, "")
	h.status(h.b, sid, "sent", "")
	row := h.row(sid, "sent")
	before := h.numbers(campaign, h.b.org)
	require.Zero(t, h.command("campaign", "show", campaign, "--org", h.b.org))
	require.Equal(t, exitNotFound, h.command("campaign", "show", campaign, "--org", h.a.org))
	require.Equal(t, exitNotFound, h.command("trace", campaign, "--org", h.a.org))

	h.moves(func() {
		h.status(h.a, sid, "failed", "30008")
		h.quarantined(sid, "signer_not_entitled")
	}, notEntitled, heldTwilio)
	h.moves(func() {
		h.send(events.Send{Org: events.OrgID(h.a.org), Account: h.a.Account, ProviderID: sid, From: h.a.number, To: person, CampaignID: own})
		h.quarantined(sid, "taken_by_another_org")
	}, taken, heldSender)
	require.Equal(t, row, h.row(sid, "sent"), "not even its version moves")
	require.Equal(t, before, h.numbers(campaign, h.b.org))
	require.Equal(t, exitNotFound, h.command("campaign", "show", own, "--org", h.a.org), "nothing was applied for the one who tried")

	// The same campaign id in A's own send is A's own campaign.
	h.campaignSend(h.a, campaign, "")
	require.EqualValues(t, 1, h.numbers(campaign, h.a.org).Messages)
	require.Equal(t, before, h.numbers(campaign, h.b.org))
	h.status(h.b, sid, "delivered", "")
	h.row(sid, "delivered")
	require.Equal(t, map[string]int64{"delivered": 1}, h.numbers(campaign, h.b.org).Counters, "the rightful callback still counts")
}

// webhookPaths are all paths that providers are given, by the signature that
// they take.
var webhookPaths = map[string][]string{
	"twilio": {
		"/api/webhooks/sms", "/api/webhooks/sms/status", "/api/webhooks/voice", "/api/webhooks/voice/status", "/api/webhooks/voice/recording",
	},
	"sns":    {"/api/webhooks/email", "/api/webhooks/connect"},
	"key":    {"/api/webhooks/connect/records"},
	"stripe": {"/api/webhooks/stripe"},
}

// API security: no surface takes what is not signed by somebody on record, and
// what names no organisation, or one that does not exist, changes nothing.
func TestAPISecurity(t *testing.T) {
	h := open(t)
	sid := h.sent(h.a)
	row := h.row(sid, "accepted")
	held := h.held()
	forged, stranger, borrowed := h.a, h.a, h.a
	forged.Token, borrowed.Token = strings.Repeat("0", 32), h.b.Token
	stranger.Account = h.id("AC")
	for scheme, paths := range webhookPaths {
		for _, path := range paths {
			unsigned := simulate.Request{
				Method: http.MethodPost, Path: path, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"id":"evt_1"}`),
			}
			if h.answer(unsigned) == http.StatusNotFound {
				t.Logf("%s is not served yet", path)
				continue
			}
			h.refused(unsigned)
			for _, scheme := range []string{"Stripe-Signature", "X-Twilio-Signature", "X-Waybill-Api-Key", "X-Amz-Firehose-Access-Key"} {
				r := unsigned
				r.Header = http.Header{"Content-Type": {"application/json"}, scheme: {"t=1,v1=00"}}
				h.refused(r)
			}
			if scheme != "twilio" {
				continue
			}
			unsigned.Body, unsigned.Header = []byte(callback(h.a, sid, "failed").Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
			h.call(unsigned, http.StatusUnauthorized)
			h.call(forged.Sign(path, callback(h.a, sid, "failed")), http.StatusUnauthorized)
			h.call(borrowed.Sign(path, callback(h.a, sid, "failed")), http.StatusUnauthorized)
			h.call(stranger.Sign(path, callback(stranger, sid, "failed")), http.StatusForbidden)
		}
	}
	h.call((simulate.Stripe{Secret: "whsec_" + strings.Repeat("0", 48)}).Sign([]byte(`{"id":"evt_1"}`), time.Now()), http.StatusUnauthorized)
	h.call(h.stripe.Sign([]byte(`{"id":"evt_1"}`), time.Now().Add(-time.Hour)), http.StatusUnauthorized)
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/debug/pprof/", "/", "/api/webhooks"} {
		h.call(simulate.Request{Method: http.MethodGet, Path: path}, http.StatusNotFound)
	}
	operators := simulate.NewClient(h.ready.AdminURL, 1)
	defer operators.Close()
	genuine := h.a.Status(sid, h.a.number, person, "failed", "")
	status, err := operators.Do(t.Context(), &genuine)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, status, "callbacks come in by the public port alone")
	require.Equal(t, row, h.row(sid, "accepted"))
	require.Equal(t, held, h.held(), "what is refused is not held either")

	// A missing organisation, on every way in and out.
	nobody := uuid.NewString()
	for _, verb := range [][]string{{"trace", sid}, {"campaign", "show", uuid.NewString()}} {
		require.Equal(t, exitNotFound, h.command(append(verb, "--org", nobody)...), verb)
		require.Equal(t, 2, h.command(append(verb, "--org", "somebody")...), verb)
	}
	require.Equal(t, exitNotFound, h.command("number", "add", "+12025550199", "--org", nobody))
	lost := h.id("SM")
	h.send(events.Send{Org: events.OrgID(nobody), Account: h.a.Account, ProviderID: lost, From: h.a.number, To: person})
	h.event(lost, func(e *history.Event) bool { return e.Outcome == events.Dead && e.Reason == "unknown_org" })
	require.Nil(t, h.story(lost).Resource)
	none, err := operate.RecordSends(t.Context(), strings.NewReader(`{"channel":"sms","provider":"twilio","provider_id":"SM1"}`), h.kafka, time.Now, func(int) {})
	require.NoError(t, err)
	require.Len(t, none.Rejected, 1, "a send record names its organisation")
	h.good()
}

func (h *house) answer(r simulate.Request) int {
	h.t.Helper()
	status, err := h.client.Do(h.t.Context(), &r)
	require.NoError(h.t, err)
	return status
}

// refused wants a request to be refused by whoever looks first.
func (h *house) refused(r simulate.Request) {
	h.t.Helper()
	status := h.answer(r)
	require.True(h.t, status >= 400 && status < 500, "%s %v is answered %d", r.Path, r.Header, status)
}

// signUp enters a Twilio account for some organisations, or for none, and waits
// until ingest knows it.
func (h *house) signUp(platform bool, orgs ...events.OrgID) tenant {
	h.t.Helper()
	a := h.a
	a.Account, a.Token = h.id("AC"), h.id("")
	id := uuid.NewString()
	added, err := h.onboard.AddAccounts(h.t.Context(), []tenants.NewAccount{{
		Provider: tenants.Twilio, Name: a.Account, Platform: platform, Orgs: orgs,
		Tokens: []tenants.SealedToken{{ID: id, Sealed: h.onboard.Key.Seal([]byte(a.Token), id)}},
	}})
	require.NoError(h.t, err)
	h.t.Cleanup(func() { require.NoError(h.t, h.onboard.RemoveAccount(context.Background(), added[0].ID, "")) }) // the test's context is over by then
	sid := h.id("SM")
	probe := a.Status(sid, a.number, person, "sent", "")
	h.until(func() error {
		if got := h.answer(probe); got != http.StatusNoContent {
			return fmt.Errorf("the new account is answered %d", got)
		}
		return nil
	})
	h.event(sid, func(e *history.Event) bool { return e.Outcome == events.Parked }) // and whatever it moves has moved
	return a
}

// Webhook routing: a callback goes to the organisation whose number or message
// it is about, and to nobody when its signer does not speak for that one.
func TestWebhookRouting(t *testing.T) {
	h := open(t)
	arrives := func(by, at tenant) {
		t.Helper()
		sid := h.id("SM")
		h.call(by.Inbound(sid, person, at.number, "hello"), http.StatusOK)
		require.Equal(t, at.org, string(h.row(sid, "received").Org))
		e := h.event(sid, func(e *history.Event) bool { return e.Outcome == events.Applied })
		require.Equal(t, "sender", e.ResolvedBy)
		require.Equal(t, by.Account, e.VerifiedAs)
	}
	arrives(h.a, h.a)
	arrives(h.b, h.b)
	platform := h.signUp(true)
	arrives(platform, h.a)
	arrives(platform, h.b)
	for _, of := range []tenant{h.a, h.b} {
		sid := h.sent(of)
		h.status(platform, sid, "delivered", "")
		require.Equal(t, of.org, string(h.row(sid, "delivered").Org))
	}

	// Signed by one, about the other's number.
	wrong := h.id("SM")
	h.moves(func() {
		h.call(h.a.Inbound(wrong, person, h.b.number, "hello"), http.StatusOK)
		h.quarantined(wrong, "signer_not_entitled")
	}, notEntitled, heldTwilio)
	require.Nil(t, h.story(wrong).Resource)
	require.Equal(t, exitNotFound, h.command("trace", wrong, "--org", h.b.org), "it is not B's")

	// An account that speaks for no organisation.
	nobody := h.signUp(false)
	sid := h.sent(h.a)
	h.moves(func() {
		h.status(nobody, sid, "delivered", "")
		h.quarantined(sid, "signer_not_entitled")
	}, notEntitled, heldTwilio)
	h.moves(func() {
		astray := h.id("SM")
		h.call(nobody.Inbound(astray, person, h.a.number, "hello"), http.StatusOK)
		h.quarantined(astray, "signer_not_entitled")
		require.Nil(t, h.story(astray).Resource)
	}, notEntitled, heldTwilio)
	h.row(sid, "accepted")

	// A number that nobody has, and an account that could stand for either.
	nowhere := h.id("SM")
	h.call(platform.Inbound(nowhere, person, "+12025550198", "hello"), http.StatusOK)
	h.event(nowhere, func(e *history.Event) bool { return e.Outcome == events.Parked && e.Reason == "no_mapping" })
	require.Nil(t, h.story(nowhere).Resource)
}

// Stripe exception: billing is global. It works where there is no organisation
// at all, and belongs to none where there are some.
func TestStripeException(t *testing.T) {
	dir, err := embedded.MkdirTemp("waybill-stripe-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	key, stripe := seal.NewKey(), simulate.Stripe{Secret: "whsec_" + strings.Repeat("5e", 24)}
	env := append(os.Environ(), "WAYBILL_SECRET_KEY="+key, "WAYBILL_LOG_LEVEL=WARN")
	readyFile := filepath.Join(dir, "ready.json")
	dev := testkit.Start(t, "waybill", env, "dev", "--no-seed", "--data-dir", filepath.Join(dir, "data"),
		"--listen", testkit.FreeAddress(t), "--admin-listen", testkit.FreeAddress(t), "--ready-file", readyFile)
	var ready app.Ready
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(readyFile)
		return err == nil && json.Unmarshal(text, &ready) == nil || !dev.Running()
	}, time.Minute, 20*time.Millisecond)
	require.True(t, dev.Running(), "it has ended")
	env = append(env, "WAYBILL_DATABASE_URL="+ready.DatabaseURL)
	command := func(args ...string) *testkit.Process { return testkit.Start(t, "waybill", env, args...) }
	require.Empty(t, testkit.Result[[]tenants.Org](command("org", "list", "--json"), patience))
	require.Zero(t, command("account", "add", "stripe", "--signing-secret-file", file("secret", stripe.Secret)).Status(patience))

	client := simulate.NewClient(ready.HTTPURL, 1)
	defer client.Close()
	answer := func(r simulate.Request) int {
		status, err := client.Do(t.Context(), &r)
		require.NoError(t, err)
		return status
	}
	now := time.Now()
	event := func(id, status, previous string) simulate.Request {
		r, err := stripe.Subscription(simulate.SubscriptionEvent{
			EventID: id, Type: "customer.subscription.updated", Subscription: "sub_1", Customer: "cus_1", Status: status, Previous: previous, Created: now,
		}, now)
		require.NoError(t, err)
		return r
	}
	first := event("evt_1", "past_due", "incomplete")
	require.Eventually(t, func() bool { return answer(first) == http.StatusOK }, patience, 20*time.Millisecond, "a new endpoint works without a restart")
	require.Equal(t, http.StatusOK, answer(event("evt_2", "active", "past_due")))
	forged := first
	forged.Header = http.Header{"Content-Type": {"application/json"}, "Stripe-Signature": {"t=1,v1=00"}}
	require.Equal(t, http.StatusUnauthorized, answer(forged))
	require.Equal(t, http.StatusForbidden, answer((simulate.Twilio{PublicURL: ready.HTTPURL, Account: "AC1", Token: "x"}).Status("SM1", "+1", person, "sent", "")))

	db, err := postgres.Open(t.Context(), postgres.Config{URL: config.Secret(ready.DatabaseURL), MaxConns: 2})
	require.NoError(t, err)
	defer db.Close()
	require.Eventually(t, func() bool {
		story, err := operate.Trace(t.Context(), postgres.NewInspect(db), "sub_1", "")
		return err == nil && story.Resource != nil && story.Resource.Status == "active" && len(story.Events) == 2
	}, patience, 20*time.Millisecond)
	story := testkit.Result[operate.Story](command("trace", "sub_1", "--json"), patience)
	require.Nil(t, story.Org)
	require.Empty(t, story.Resource.Org)
	require.Equal(t, exitNotFound, command("trace", "sub_1", "--org", uuid.NewString()).Status(patience))

	conn, err := pgx.Connect(t.Context(), ready.DatabaseURL)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "SELECT c.relname::text FROM pg_class c WHERE c.relrowsecurity AND NOT c.relispartition")
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range append(tables, "organizations") {
		var n int
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		require.Zero(t, n, table)
	}
	require.Zero(t, dev.Stop())

	// And where there are organisations: narrowed to one of them there is no billing.
	h := open(t)
	sub := h.id("sub_")
	r, err := h.stripe.Subscription(simulate.SubscriptionEvent{
		EventID: h.id("evt_"), Type: "customer.subscription.created", Subscription: sub, Customer: "cus_1", Status: "active", Created: now,
	}, now)
	require.NoError(t, err)
	h.call(r, http.StatusOK)
	require.Empty(t, h.row(sub, "active").Org)
	require.Equal(t, exitNotFound, h.command("trace", sub, "--org", h.a.org))
}
