package postgres_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/privacy"
	"waybill/internal/retention"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
	"waybill/migrations"
)

// What must be nowhere after the person was erased.
const (
	canaryNumber   = "+12025550191"
	canaryMail     = "canary@birds.example"
	canaryText     = "my canary sings of its ailments"
	canaryMedia    = "https://media.example/canary.jpg"
	canaryPlace    = "https://recordings.example/canary.wav"
	canaryExternal = "canary-4711"
	canaryAgent    = "CanaryBrowser/1.0"
	ourNumber      = "+15550100001"
)

var canaries = []string{canaryNumber, "%2B12025550191", canaryMail, canaryText, canaryMedia, canaryPlace, canaryExternal, canaryAgent}

// aviary is a world in which a person has left traces everywhere: as a customer
// of both organisations.
type aviary struct {
	*desk
	customer map[events.OrgID]string
	store    *postgres.Privacy
}

func newAviary(t *testing.T) *aviary {
	t.Helper()
	a := &aviary{desk: newDesk(t), customer: map[events.OrgID]string{}}
	a.store = postgres.NewPrivacy(a.open(t, testkit.Operator))
	for n, org := range []events.OrgID{a.orgA, a.orgB} {
		a.customer[org] = uuid.NewString()
		a.haunt(t, org, a.customer[org], 10*n)
	}
	return a
}

// haunt writes what a person leaves in one organisation.
func (a *aviary) haunt(t *testing.T, org events.OrgID, customer string, base int) {
	t.Helper()
	a.exec(t, "INSERT INTO customers (org_id, id, external_id) VALUES ($1, $2, $3)", org, customer, canaryExternal)
	a.exec(t, "INSERT INTO senders (id, org_id, kind, value, slot, valid) VALUES (gen_random_uuid(), $1, 'number', $2, int8range(NULL, NULL), tstzrange(NULL, NULL))",
		org, fmt.Sprintf("%s%d", ourNumber, base))
	send := a.sent(org, base+1)
	send.From, send.To, send.CustomerID = fmt.Sprintf("%s%d", ourNumber, base), canaryNumber, customer
	inbound := a.status(org, base+2, "received", "", 3)
	inbound.Kind, inbound.Direction, inbound.From, inbound.To = events.KindMessage, events.Inbound, canaryNumber, send.From
	inbound.Body, inbound.Media = canaryText, []string{canaryMedia}
	other := a.sent(org, base+3) // somebody else's
	other.From, other.To, other.CustomerID = send.From, "+12025550100", uuid.NewString()
	shared := a.sent(org, base+4) // another customer with the same number
	shared.From, shared.To, shared.CustomerID = send.From, canaryNumber, other.CustomerID
	if base > 0 { // elsewhere the number is that one person's alone
		shared.To = "+12025550100"
	}
	a.apply(t, send, a.status(org, base+1, "delivered", "", 2), inbound, other, shared)

	mail, call := uuid.NewString(), uuid.NewString()
	a.exec(t, `INSERT INTO email_campaigns (org_id, id) VALUES ($1, $2)`, org, testCampaign)
	a.exec(t, `INSERT INTO email_messages (org_id, id, provider, provider_id, origin, from_address, campaign_id, customer_id, status, version, reached, facts, received_at, last_at)
		VALUES ($1, $2::uuid, 'ses', $2::uuid::text, 'send', 'news@clinic.example', NULL, $3, 'delivered', 2, 0,
			jsonb_build_object('opens', jsonb_build_object('count', 3, 'value', $4::text)), now(), now())`, org, mail, customer, canaryAgent)
	a.exec(t, `INSERT INTO email_recipients (org_id, email_id, address, id, status) VALUES ($1, $2, $3, gen_random_uuid(), 'delivered')`, org, mail, canaryMail)
	a.exec(t, `INSERT INTO calls (org_id, id, provider, provider_id, direction, origin, from_address, to_address, customer_id, status, version, reported, facts, received_at, last_at)
		VALUES ($1, $2::uuid, 'twilio', $2::uuid::text, 'inbound', 'inbound', $3, $4, $5, 'completed', 2, 0, '{"duration": {"count": 1, "value": "61"}}', now(), now())`,
		org, call, canaryNumber, send.From, customer)
	a.exec(t, `INSERT INTO call_recordings (org_id, id, call_id, provider, provider_id, status, location, received_at, last_at)
		VALUES ($1, gen_random_uuid(), $2::uuid, 'twilio', $2::uuid::text, 'completed', $3, now(), now())`, org, call, canaryPlace)
	a.exec(t, `INSERT INTO consents VALUES ($1, 'sms', $2, $3, true, now(), 'e1'), ($1, 'email', 'news@clinic.example', $4, false, now(), 'e2')`,
		org, send.From, canaryNumber, canaryMail)
	a.hold(t, org, base+5, canaryNumber)
	a.hold(t, org, base+6, "+12025550100")
}

// hold keeps an inbound message of somebody that could not be applied.
func (a *aviary) hold(t *testing.T, org events.OrgID, n int, from string) {
	t.Helper()
	signer := map[events.OrgID]string{a.orgA: a.signA, a.orgB: a.signB}[org]
	rec := events.Record{Topic: events.TopicRawTwilio, Key: []byte(sid(n)), Value: []byte(url.Values{"From": {from}, "Body": {canaryText}}.Encode())}
	if from != canaryNumber {
		rec.Value = []byte(url.Values{"From": {from}}.Encode())
	}
	require.NoError(t, postgres.NewRouting(a.open(t, testkit.Router)).Hold(t.Context(), []tenantmap.Held{{
		EventID: events.NewEventID(events.Twilio, signer, events.KindMessage, sid(n)), Receipt: events.NewReceiptID(), State: events.Dead, Reason: "test",
		Provider: events.Twilio, Kind: events.KindMessage, Signer: signer, ReceivedAt: noon, Record: events.Pack(&rec),
		Keys: []tenantmap.Key{tenantmap.AccountKey(events.Twilio, signer)},
	}}))
}

// dump returns every row of every table, as text, with the table's name and the
// organisation that the row names.
type dumped struct{ table, org, row string }

// dump reads everything that could hold a text, bytea as what it encodes.
func dump(t *testing.T, db *pgxpool.Pool) []dumped {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT c.table_name, string_agg(CASE
			WHEN c.data_type = 'bytea' THEN format('encode(%I, ''escape'')', c.column_name) ELSE format('%I::text', c.column_name) END, ', ' ORDER BY c.ordinal_position),
			bool_or(c.column_name = 'org_id')
		FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' GROUP BY 1`)
	require.NoError(t, err)
	type table struct {
		Name, Columns string
		Org           bool
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	require.NoError(t, err)
	require.Greater(t, len(tables), 25)
	var all []dumped
	for _, tab := range tables {
		org := "''"
		if tab.Org {
			org = "coalesce(org_id::text, '')"
		}
		rows, err := db.Query(t.Context(), fmt.Sprintf("SELECT %s, concat_ws('|', %s) FROM ONLY %q", org, tab.Columns, tab.Name))
		require.NoError(t, err)
		d := dumped{table: tab.Name}
		_, err = pgx.ForEachRow(rows, []any{&d.org, &d.row}, func() error { all = append(all, d); return nil })
		require.NoError(t, err)
	}
	slices.SortFunc(all, func(a, b dumped) int { return strings.Compare(a.table+a.org+a.row, b.table+b.org+b.row) })
	return all
}

// sightings are the rows in which a canary is seen, of an organisation, or of
// none.
func sightings(all []dumped, org events.OrgID) (seen []dumped) {
	for _, d := range all {
		if d.org == "" || d.org == string(org) {
			for _, c := range canaries {
				if strings.Contains(d.row, c) {
					seen = append(seen, d)
					break
				}
			}
		}
	}
	return seen
}

func ofOrg(all []dumped, org events.OrgID) (rows []dumped) {
	for _, d := range all {
		if d.org == string(org) {
			rows = append(rows, d)
		}
	}
	return rows
}

func (a *aviary) erase(t *testing.T, w operate.Whose, dry bool) privacy.Erased {
	t.Helper()
	var keep retention.Config
	e := operate.Erase{Personal: a.store, Keep: keep, User: "tester", Now: time.Now, Progress: func(string, int64) {}}
	done, err := e.Run(t.Context(), w, dry)
	require.NoError(t, err)
	return done
}

func (a *aviary) export(t *testing.T, w operate.Whose) (items []privacy.Item, text string) {
	t.Helper()
	counts, err := operate.Export(t.Context(), postgres.NewPrivacy(a.open(t, testkit.ReadOnly)), w, func(i privacy.Item) error {
		i.Data = slices.Clone(i.Data)
		items = append(items, i)
		return nil
	}, func(string, int64) {})
	require.NoError(t, err)
	b, err := json.Marshal(items)
	require.NoError(t, err)
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	require.EqualValues(t, len(items), total)
	return items, string(b)
}

func kinds(items []privacy.Item) map[string]int {
	n := map[string]int{}
	for _, i := range items {
		n[i.Kind]++
	}
	return n
}

// numbers are what must be the same after erasing: every row's status and
// version, and the campaigns' counters.
func (a *aviary) numbers(t *testing.T, org events.OrgID) string {
	t.Helper()
	var s string
	require.NoError(t, a.owner.QueryRow(t.Context(), `
		SELECT string_agg(line, E'\n' ORDER BY line) FROM (
			SELECT concat_ws(' ', 'sms', id, campaign_id, status, error_code, version, reached, received_at) AS line FROM sms_messages WHERE org_id = $1
			UNION ALL SELECT concat_ws(' ', 'mail', id, campaign_id, status, version, facts #>> '{opens,count}') FROM email_messages WHERE org_id = $1
			UNION ALL SELECT concat_ws(' ', 'recipient', id, status) FROM email_recipients WHERE org_id = $1
			UNION ALL SELECT concat_ws(' ', 'call', id, status, version, facts #>> '{duration,value}') FROM calls WHERE org_id = $1
			UNION ALL SELECT concat_ws(' ', 'recording', id, status) FROM call_recordings WHERE org_id = $1
			UNION ALL SELECT concat_ws(' ', 'event', event_id, row_id, version) FROM events WHERE org_id = $1
			UNION ALL SELECT concat_ws(' ', 'counter', campaign_id, shard, status, messages, reached, version) FROM campaign_counters WHERE org_id = $1) x`, org).Scan(&s))
	return s
}

func (a *aviary) balanced(t *testing.T) {
	t.Helper()
	_, differences, err := postgres.NewInspect(a.open(t, testkit.Operator)).Recount(t.Context())
	require.NoError(t, err)
	require.Empty(t, differences)
}

func TestErasingAPersonLeavesNothingOfThemAndEveryNumber(t *testing.T) {
	t.Parallel()
	a := newAviary(t)
	w := operate.Whose{Org: string(a.orgA), Customer: a.customer[a.orgA]}
	before := dump(t, a.owner)
	require.NotEmpty(t, sightings(before, a.orgA), "the dump shows no canary: it proves nothing")

	items, text := a.export(t, w)
	require.Equal(t, map[string]int{
		"events": 3, "sms_messages": 2, "calls": 1, "call_recordings": 1, "email_messages": 1, "email_recipients": 1, "consents": 2, "customers": 1, "held_events": 1,
	}, kinds(items))
	for _, c := range canaries {
		require.Contains(t, text, c)
	}

	numbers := a.numbers(t, a.orgA)
	dry := a.erase(t, w, true)
	require.True(t, dry.DryRun)
	require.Equal(t, before, dump(t, a.owner), "a dry run changed something")
	done := a.erase(t, w, false)
	require.Equal(t, dry.Rows, done.Rows)
	require.Equal(t, map[string]int64{
		"sms_messages": 2, "calls": 1, "call_recordings": 1, "email_messages": 1, "email_recipients": 1, "consents": 2, "customers": 1, "held_events": 1,
	}, done.Rows)
	require.NotNil(t, done.FinishedAt)

	after := dump(t, a.owner)
	var left []dumped
	for _, d := range sightings(after, a.orgA) {
		if d.table == "sms_messages" && !strings.Contains(d.row, canaryText) && strings.Contains(d.row, sid(4)) {
			continue // the other customer with that number is not who was asked for
		}
		if d.table == "held_events" && strings.Contains(d.row, a.signB) {
			continue // the other organisation's
		}
		left = append(left, d)
	}
	require.Empty(t, left)
	require.Equal(t, ofOrg(before, a.orgB), ofOrg(after, a.orgB), "the other organisation's rows, byte for byte")
	require.Equal(t, numbers, a.numbers(t, a.orgA))
	a.balanced(t)
	_, text = a.export(t, w)
	for _, c := range canaries {
		require.NotContains(t, text, c)
	}

	again := a.erase(t, w, false)
	require.NotEqual(t, done.ID, again.ID)
	require.Empty(t, again.Rows)
	require.Equal(t, after, slices.DeleteFunc(dump(t, a.owner), func(d dumped) bool { return d.table == "erasures" && strings.Contains(d.row, again.ID) }))
}

func TestAnErasedRowStaysErasedWhateverComesLate(t *testing.T) {
	t.Parallel()
	a := newAviary(t)
	w := operate.Whose{Org: string(a.orgA), Customer: a.customer[a.orgA]}
	a.erase(t, w, false)
	numbers := a.numbers(t, a.orgA)

	late := a.status(a.orgA, 1, "read", "", 9) // a better status, with every descriptive field
	late.From, late.To, late.Channel = ourNumber+"0", canaryNumber, events.SMS
	send := a.sent(a.orgA, 1)
	send.EventID, send.To, send.CustomerID = "sender/late", canaryNumber, a.customer[a.orgA]
	inbound := a.status(a.orgA, 2, "received", "", 3)
	inbound.EventID, inbound.Kind, inbound.Direction, inbound.From = "late inbound", events.KindMessage, events.Inbound, canaryNumber
	inbound.Body, inbound.Media = canaryText, []string{canaryMedia}
	effect := a.apply(t, late, send, inbound)
	require.Len(t, effect.Status, 1, "the late status counts as before")
	require.NotEqual(t, numbers, a.numbers(t, a.orgA))
	a.balanced(t)

	worker := a.db.Pool(t, testkit.Worker)
	tx, err := worker.Begin(t.Context())
	require.NoError(t, err)
	for _, statement := range []string{
		"SELECT set_config('waybill.org', '" + string(a.orgA) + "', true)",
		"UPDATE calls SET from_address = '" + canaryNumber + "', facts = '{\"answered_by\": {\"count\": 1, \"value\": \"" + canaryAgent + "\"}}' WHERE org_id = '" + string(a.orgA) + "'",
		"UPDATE call_recordings SET location = '" + canaryPlace + "' WHERE org_id = '" + string(a.orgA) + "'",
		"UPDATE email_messages SET from_address = '" + canaryMail + "', facts = '{\"clicks\": {\"count\": 1, \"value\": \"" + canaryAgent + "\"}}' WHERE org_id = '" + string(a.orgA) + "'",
		`INSERT INTO call_recordings (org_id, id, call_id, provider, provider_id, status, location, received_at, last_at)
			SELECT org_id, gen_random_uuid(), id, 'twilio', 'late', 'completed', '` + canaryPlace + `', now(), now() FROM calls WHERE org_id = '` + string(a.orgA) + `'`,
		`INSERT INTO email_recipients (org_id, email_id, address, id, status) SELECT org_id, id, '` + canaryMail + `', gen_random_uuid(), 'delivered'
			FROM email_messages WHERE org_id = '` + string(a.orgA) + `' ON CONFLICT DO NOTHING`,
	} {
		_, err := tx.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, tx.Commit(t.Context()))
	var recipients int
	require.NoError(t, a.owner.QueryRow(t.Context(), "SELECT count(*) FROM email_recipients WHERE org_id = $1", a.orgA).Scan(&recipients))
	require.Equal(t, 1, recipients, "the late event found its recipient by the pseudonym")
	var seen []dumped
	for _, d := range sightings(dump(t, a.owner), a.orgA) {
		if d.org == string(a.orgA) && !strings.Contains(d.row, sid(4)) {
			seen = append(seen, d)
		}
	}
	require.Empty(t, seen)
}

func TestAnOptOutOutlivesItsPerson(t *testing.T) {
	t.Parallel()
	a := newAviary(t)
	suppressed := func(role string, org events.OrgID, channel, sender, address string) (yes bool) {
		require.NoError(t, a.db.Pool(t, role).QueryRow(t.Context(), "SELECT suppressed($1, $2, $3, $4)", org, channel, sender, address).Scan(&yes))
		return yes
	}
	check := func(want bool) {
		t.Helper()
		for _, role := range []string{testkit.Worker, testkit.Operator, testkit.ReadOnly} {
			require.Equal(t, want, suppressed(role, a.orgA, "sms", ourNumber+"0", canaryNumber))
		}
		require.False(t, suppressed(testkit.Worker, a.orgA, "sms", ourNumber+"0", "+12025550100"))
		require.False(t, suppressed(testkit.Worker, a.orgA, "email", "news@clinic.example", canaryMail))
		require.False(t, suppressed(testkit.Worker, a.orgA, "sms", ourNumber+"10", canaryNumber))
		require.True(t, suppressed(testkit.Worker, a.orgB, "sms", ourNumber+"10", canaryNumber), "the other organisation's own opt-out")
	}
	check(true)
	w := operate.Whose{Org: string(a.orgA), Customer: a.customer[a.orgA]}
	a.erase(t, w, false)
	check(true)
	var kept, opted int
	require.NoError(t, a.owner.QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE opted_out AND address LIKE 'erased:%') FROM consents WHERE org_id = $1", a.orgA).
		Scan(&kept, &opted))
	require.Equal(t, []int{1, 1}, []int{kept, opted}, "an opt-in is of no use to anybody")
	a.exec(t, "INSERT INTO consents VALUES ($1, 'sms', $2, $3, false, now(), 'START')", a.orgA, ourNumber+"0", canaryNumber)
	check(false) // they came back by themselves
	a.erase(t, operate.Whose{Org: string(a.orgA), Address: canaryNumber}, false)
	check(true)
	for _, role := range []string{testkit.Router, testkit.Worker, testkit.Operator, testkit.ReadOnly} {
		_, err := a.db.Pool(t, role).Exec(t.Context(), "SELECT key FROM erasure_keys")
		require.Error(t, err, role)
		_, err = a.db.Pool(t, role).Exec(t.Context(), "SELECT address FROM erasure_addresses")
		require.Error(t, err, role)
	}
}

func TestErasingAnOrganisationLeavesItsIdAlone(t *testing.T) {
	t.Parallel()
	a := newAviary(t)
	a.exec(t, "UPDATE organizations SET name = 'canary@birds.example' WHERE id = $1", a.orgA)
	before := dump(t, a.owner)
	_, text := a.export(t, operate.Whose{Org: string(a.orgA)})
	for _, c := range canaries {
		require.Contains(t, text, c)
	}
	w := operate.Whose{Org: string(a.orgA)}
	dry := a.erase(t, w, true)
	done := a.erase(t, w, false)
	for table, n := range dry.Rows {
		require.Equal(t, n, done.Rows[table], table)
	}
	after := dump(t, a.owner)
	left := map[string]int{}
	for _, d := range ofOrg(after, a.orgA) {
		left[d.table]++
	}
	delete(left, "erasures")
	for table := range left {
		require.True(t, table == "account_orgs" || strings.HasPrefix(table, "event_ids_"), "%s has rows of an organisation that was erased", table)
	}
	var seen []dumped
	for _, d := range sightings(after, a.orgA) {
		if d.table != "held_events" || !strings.Contains(d.row, a.signB) {
			seen = append(seen, d)
		}
	}
	require.Empty(t, seen)
	require.Equal(t, ofOrg(before, a.orgB), ofOrg(after, a.orgB), "the other organisation's rows, byte for byte")
	a.balanced(t)
	var name string
	var accounts int
	require.NoError(t, a.owner.QueryRow(t.Context(), "SELECT name FROM organizations WHERE id = $1 AND erased_at IS NOT NULL", a.orgA).Scan(&name))
	require.Empty(t, name)
	require.NoError(t, a.owner.QueryRow(t.Context(), "SELECT count(*) FROM accounts WHERE removed_at IS NULL").Scan(&accounts))
	require.Equal(t, 1, accounts, "nobody signs for it")

	// Nobody brings it back by mistake.
	tenantStore := operator(t, a.world)
	var missing *tenants.NotFoundError
	_, err := tenantStore.AddSender(t.Context(), tenants.NewSender{Org: a.orgA, Kind: tenants.Number, Value: "+15550100999"})
	require.ErrorAs(t, err, &missing)
	_, err = tenantStore.AddAccounts(t.Context(), []tenants.NewAccount{{Provider: tenants.Twilio, Name: a.signB, Orgs: []events.OrgID{a.orgA}}})
	require.ErrorAs(t, err, &missing)

	// What was on its way makes rows; they do not stay.
	late := a.sent(a.orgA, 1)
	late.EventID, late.To = "late", canaryNumber
	a.apply(t, late)
	a.balanced(t)
	s := postgres.NewRetention(a.open(t, testkit.Worker))
	var n int64
	n, err = s.SweepErased(t.Context())
	require.NoError(t, err)
	require.Positive(t, n)
	n, err = s.SweepErased(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	a.balanced(t)
	require.Equal(t, ofOrg(before, a.orgB), ofOrg(dump(t, a.owner), a.orgB))
}

func TestErasingAnAddressNeedsNoCustomer(t *testing.T) {
	t.Parallel()
	a := newAviary(t)
	done := a.erase(t, operate.Whose{Org: string(a.orgA), Address: "+1 (202) 555-0191"}, false)
	require.Equal(t, map[string]int64{"sms_messages": 3, "calls": 1, "call_recordings": 1, "consents": 1, "held_events": 1}, done.Rows)
	mail := a.erase(t, operate.Whose{Org: string(a.orgA), Address: "CANARY@Birds.example"}, false)
	require.Equal(t, map[string]int64{"email_messages": 1, "email_recipients": 1, "consents": 1}, mail.Rows)
	for _, d := range sightings(dump(t, a.owner), a.orgA) {
		require.False(t, d.org != "" && (strings.Contains(d.row, canaryNumber) || strings.Contains(d.row, canaryMail)), "%+v", d)
	}
	var stored string
	require.NoError(t, a.owner.QueryRow(t.Context(), "SELECT string_agg(e::text, '') FROM erasures e").Scan(&stored))
	require.NotContains(t, stored, "5550191", "the audit names the person")
	require.Contains(t, stored, "waybill_operator")
}

func TestOnlyOperatorsEraseAndOnlyByTheFunctions(t *testing.T) {
	t.Parallel()
	a := newAviary(t)
	for _, role := range []string{testkit.Router, testkit.Worker, testkit.ReadOnly} {
		_, _, err := postgres.NewPrivacy(a.open(t, role)).Begin(t.Context(), privacy.Subject{Org: a.orgA}, "")
		require.Error(t, err, role)
	}
	operator := a.db.Pool(t, testkit.Operator)
	for _, statement := range []string{
		"UPDATE sms_messages SET body = ''", "DELETE FROM customers", "UPDATE erasures SET finished_at = NULL", "DELETE FROM erasures",
		"SELECT close_organization(gen_random_uuid())", "INSERT INTO personal_tables VALUES ('x', 1, 'true')",
	} {
		_, err := operator.Exec(t.Context(), statement)
		require.ErrorContains(t, err, "42501", statement)
	}
}

// notPersonal are the tables with an organisation that export and erase do not
// go through row by row, and why.
var notPersonal = map[string]string{
	"organizations": "the organisation itself", "account_orgs": "who signed, and when", "senders": "deleted as a whole",
	"tenant_map": "ids of resources; a late event must still find its row", "event_ids": "no personal data, expires",
	"held_events": "found by what their records hold", "held_assignments": "event ids; go with their organisation, and expire",
	"held_acts": "the audit of what operators did, by event ids", "erasures": "the audit", "erasure_keys": "no role reads it",
}

// A table with an organisation that nobody thought of would be neither exported
// nor erased. To add one: SELECT keep_personal_table(...) in its migration.
func TestEveryTableOfAnOrganisationIsExportedAndErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rows, err := w.owner.Query(t.Context(), `
		SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	rows, err = w.owner.Query(t.Context(), "SELECT name FROM personal_tables")
	require.NoError(t, err)
	known, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, known)
	for _, table := range tables {
		require.NotEqual(t, slices.Contains(known, table), notPersonal[table] != "", "%s: exported and erased, or known as not personal, and not both", table)
	}
}

// The functions run as the owner, whom FORCE ROW LEVEL SECURITY holds to
// policies unless they are a superuser, as they are in the other tests.
func TestErasingWorksForAnOwnerWhoIsNoSuperuser(t *testing.T) {
	t.Parallel()
	s := testkit.Postgres(t)
	const name, owner = "owned", "waybill_test_owner"
	require.NoError(t, s.CreateDatabase(t.Context(), name))
	require.NoError(t, s.CreateOwner(t.Context(), owner, name))
	require.NoError(t, s.SetPassword(t.Context(), owner, "waybill"))
	_, err := migrations.Up(t.Context(), s.URL(owner, "waybill", name))
	require.NoError(t, err)
	root, err := pgxpool.New(t.Context(), s.SuperuserURL(name))
	require.NoError(t, err)
	defer root.Close()
	open := func(role string) *postgres.DB {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: config(s.URL(role, "waybill", name)), MaxConns: 2})
		require.NoError(t, err)
		t.Cleanup(db.Close)
		return db
	}
	org, customer := uuid.NewString(), uuid.NewString()
	exec := func(sql string, args ...any) {
		_, err := root.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	exec("INSERT INTO organizations (id, name) VALUES ($1, 'x')", org)
	exec("INSERT INTO customers (org_id, id) VALUES ($1, $2)", org, customer)
	exec(`INSERT INTO sms_messages (org_id, id, provider, channel, direction, origin, to_address, customer_id, status, version, reached, received_at, last_at)
		VALUES ($1, gen_random_uuid(), 'twilio', 'sms', 'outbound', 'send', $2, $3, 'sent', 1, 0, now(), now())`, org, canaryNumber, customer)
	exec("INSERT INTO consents VALUES ($1, 'sms', 's', $2, true, now(), 'e')", org, canaryNumber)
	exec(`INSERT INTO events (org_id, event_id, applied_at, receipt_id, resource, row_id, provider, kind, outcome, received_at, raw_topic, raw_partition, raw_offset)
		SELECT $1, 'old' || i, now() - i * interval '10 days', gen_random_uuid(), 'sms_message', gen_random_uuid(), 'twilio', 'x', 'applied', now(), 't', 0, 0
		FROM generate_series(0, 3) i`, org)
	exec(`INSERT INTO event_ids SELECT 'e' || i, gen_random_uuid(), NULL, 'applied', now() - i * interval '1 day' FROM generate_series(0, 99) i`)

	e := operate.Erase{Personal: postgres.NewPrivacy(open(testkit.Operator)), Now: time.Now, Progress: func(string, int64) {}}
	done, err := e.Run(t.Context(), operate.Whose{Org: org, Customer: customer}, false)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"sms_messages": 1, "consents": 1, "customers": 1}, done.Rows)
	require.Empty(t, sightings(dump(t, root), events.OrgID(org)))
	var suppressed bool
	require.NoError(t, root.QueryRow(t.Context(), "SELECT suppressed($1, 'sms', 's', $2)", org, canaryNumber).Scan(&suppressed))
	require.True(t, suppressed)

	r := postgres.NewRetention(open(testkit.Worker))
	n, _ := sweep(t, r, r.Relations(retention.Timeline), time.Now().Add(-15*days))
	require.EqualValues(t, 2, n)
	n, _ = sweep(t, r, r.Relations(retention.EventIDs), time.Now().Add(-50*days))
	require.EqualValues(t, 50, n)
	done, err = e.Run(t.Context(), operate.Whose{Org: org}, false)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"sms_messages": 1, "consents": 1, "customers": 1, "events": 2}, done.Rows)
	_, err = r.SweepErased(t.Context())
	require.NoError(t, err)
	_, _, err = r.DropDay(t.Context(), time.Now().Add(-8*days))
	require.NoError(t, err)
}
