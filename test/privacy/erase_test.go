package privacy_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/privacy"
	"waybill/internal/testkit"
)

// dump returns everything in the database as text, a row a line, its table first.
func (p *program) dump(db *pgxpool.Pool) string {
	p.t.Helper()
	rows, err := db.Query(p.t.Context(), `SELECT format('SELECT concat_ws(''|'', %L, %s) FROM ONLY %I', c.table_name,
			string_agg(CASE WHEN c.data_type = 'bytea' THEN format('encode(%I, ''escape'')', c.column_name) ELSE format('%I::text', c.column_name) END, ', '), c.table_name)
		FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' GROUP BY c.table_name ORDER BY 1`)
	require.NoError(p.t, err)
	queries, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(p.t, err)
	var all strings.Builder
	for _, q := range queries {
		rows, err := db.Query(p.t.Context(), q)
		require.NoError(p.t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(p.t, err)
		for _, l := range lines {
			all.WriteString(strings.ReplaceAll(l, "\n", " ") + "\n")
		}
	}
	return all.String()
}

// numbers are what an erasure must leave as it is.
func (p *program) numbers(db *pgxpool.Pool, org string) (s string) {
	p.t.Helper()
	require.NoError(p.t, db.QueryRow(p.t.Context(), `SELECT string_agg(l, E'\n' ORDER BY l) FROM (
		SELECT concat_ws(' ', id, campaign_id, status, error_code, version, reached) AS l FROM sms_messages WHERE org_id = $1
		UNION ALL SELECT concat_ws(' ', campaign_id, shard, status, messages, reached, version) FROM campaign_counters WHERE org_id = $1
		UNION ALL SELECT concat_ws(' ', event_id, version, status) FROM events WHERE org_id = $1) x`, org).Scan(&s))
	return s
}

// A person is exported and erased by the real command, which is killed half way
// and run again, in a Waybill that works; then the organisation is.
func TestAPersonIsErasedByACommandThatIsKilledHalfWay(t *testing.T) {
	t.Parallel()
	p := start(t)
	db := p.database()
	customer, campaign, sid, early := uuid.NewString(), uuid.NewString(), p.id("SM"), p.id("SM")
	for i, of := range []tenant{p.a, p.b} {
		p.send(events.Send{
			Org: events.OrgID(of.org), Account: of.Account, ProviderID: sid[:33] + fmt.Sprint(i), From: of.number, To: canaryNumber, CampaignID: campaign, CustomerID: customer,
		})
		p.call(of.Sign(inboundPath, p.inbound(of, p.id("SM"))), http.StatusOK)
		p.call(of.Sign(statusPath, p.form(of, p.id("SM"), "MessageStatus", "singing")), http.StatusNoContent) // dead
	}
	sid = sid[:33] + "0"
	p.call(p.a.Sign(statusPath, p.form(p.a, sid)), http.StatusNoContent)
	p.call(p.a.Sign(statusPath, p.form(p.a, early)), http.StatusNoContent) // parked
	p.count(db, 4, "SELECT count(*) FROM sms_messages")
	p.count(db, 1, "SELECT count(*) FROM sms_messages WHERE status = 'sent'")
	p.count(db, 3, "SELECT count(*) FROM held_events")
	_, err := db.Exec(t.Context(), "INSERT INTO consents VALUES ($1, 'sms', $2, $3, true, now(), 'stop')", p.a.org, p.a.number, canaryNumber)
	require.NoError(t, err)

	out := filepath.Join(t.TempDir(), "export.jsonl")
	counts := testkit.Result[map[string]int64](p.run("export", "--org", p.a.org, "--customer", customer, "--out", out, "--json"), patience)
	require.Equal(t, map[string]int64{"sms_messages": 2, "events": 3, "consents": 1, "customers": 1, "held_events": 2}, counts)
	exported, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, 9, bytes.Count(exported, []byte("\n")))
	for _, want := range []string{canaryNumber, canaryText, canaryURL, url.QueryEscape(canaryName)} {
		require.Contains(t, string(exported), want)
	}
	info, err := os.Stat(out)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())

	// Somebody holds a row that the erasure needs behind the messages: it waits
	// there, half done, and is killed.
	numbers, elsewhere := p.numbers(db, p.a.org), p.export(p.b.org)
	lock, err := db.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), "SELECT FROM consents WHERE org_id = $1 FOR UPDATE", p.a.org)
	require.NoError(t, err)
	args := []string{"erase", "--org", p.a.org, "--customer", customer, "--json"}
	half := p.run(append(args, "--yes")...)
	p.count(db, 1, "SELECT count(*) FROM erasures WHERE counts ? 'sms_messages'")
	p.count(db, 1, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%erase_rows%' AND state = 'active'")
	half.Kill()
	require.NoError(t, lock.Rollback(t.Context()))
	p.count(db, 0, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%erase_rows%' AND state = 'active' AND pid <> pg_backend_pid()")
	p.count(db, 1, "SELECT count(*) FROM sms_messages WHERE customer_id IS NOT NULL")
	require.NotEmpty(t, sightings(p.ofOrg(db, p.a.org)), "nothing was left to do")

	done := testkit.Result[privacy.Erased](p.run(append(args, "--yes")...), patience)
	require.Equal(t, map[string]int64{"sms_messages": 2, "consents": 1, "customers": 1, "held_events": 2}, done.Rows, "both runs together")
	require.NotNil(t, done.FinishedAt)
	require.NotEmpty(t, done.Remains)
	p.count(db, 1, "SELECT count(*) FROM erasures WHERE finished_at IS NOT NULL AND role = 'waybill_operator'")
	require.Empty(t, sightings(p.ofOrg(db, p.a.org)))
	require.Equal(t, numbers, p.numbers(db, p.a.org))
	require.Equal(t, elsewhere, p.export(p.b.org), "the other organisation's data, byte for byte")

	// Late callbacks count, and bring nothing back.
	p.call(p.a.Sign(statusPath, p.form(p.a, sid, "MessageStatus", "read")), http.StatusNoContent)
	p.call(p.a.Sign(statusPath, p.form(p.a, early)), http.StatusNoContent)
	p.count(db, 1, "SELECT count(*) FROM sms_messages WHERE status = 'read'")
	p.count(db, 1, "SELECT count(*) FROM event_duplicates WHERE event_id LIKE '%' || $1 || '%'", early)
	require.Empty(t, sightings(p.ofOrg(db, p.a.org)))
	balance := testkit.Result[operate.Balance](p.run("audit", "--wait", "30s", "--json"), patience)
	require.True(t, balance.Balanced, "%+v", balance)
	p.verb(0, append(args, "--dry-run")...)

	p.organisationGoes(db, elsewhere)
}

// organisationGoes erases organisation A, whose callbacks still come.
func (p *program) organisationGoes(db *pgxpool.Pool, elsewhere string) {
	t := p.t
	done := testkit.Result[privacy.Erased](p.run("erase", "--org", p.a.org, "--yes", "--json"), patience)
	require.Equal(t, privacy.Organization, done.Scope)
	require.EqualValues(t, 2, done.Rows["sms_messages"])
	r := p.a.Sign(inboundPath, p.inbound(p.a, p.id("SM")))
	require.Eventually(t, func() bool {
		status, err := p.client.Do(t.Context(), &r)
		return err == nil && status == http.StatusForbidden
	}, patience, 50*time.Millisecond, "it still signs")
	require.Equal(t, elsewhere, p.export(p.b.org), "the other organisation's data, byte for byte")
	p.call(p.b.Sign(inboundPath, p.inbound(p.b, p.id("SM"))), http.StatusOK)
	balance := testkit.Result[operate.Balance](p.run("audit", "--wait", "30s", "--json"), patience)
	require.True(t, balance.Balanced, "%+v", balance)
	// What was let in before its signers were known to be gone does not stay.
	p.count(db, 0, "SELECT (SELECT count(*) FROM sms_messages WHERE org_id = $1) + (SELECT count(*) FROM events WHERE org_id = $1)", p.a.org)
	p.verb(0, "number", "add", p.a.number, "--org", p.b.org)
	require.Contains(t, p.page("/metrics"), `waybill_retention_oldest_seconds{table="event_ids"}`)
	require.Contains(t, p.page("/metrics"), `waybill_retention_deleted_total{table="erased_organizations"}`)

	// What is dead for a month goes.
	_, err := db.Exec(t.Context(), "UPDATE held_events SET held_at = held_at - interval '31 days', received_at = received_at - interval '31 days' WHERE state = 'dead'")
	require.NoError(t, err)
	p.count(db, 0, "SELECT count(*) FROM held_events WHERE state = 'dead'")
	// So does what the router knows, when nobody asks for it.
	_, err = db.Exec(t.Context(), "UPDATE tenant_map SET recorded_at = recorded_at - interval '91 days', sent_at = NULL")
	require.NoError(t, err)
	p.count(db, 0, "SELECT count(*) FROM tenant_map")
	require.Eventually(t, func() bool {
		return strings.Contains(p.page("/metrics"), `waybill_retention_oldest_seconds{table="tenant_map"} 0`)
	}, patience, 50*time.Millisecond)
	balance = testkit.Result[operate.Balance](p.run("audit", "--wait", "30s", "--json"), patience)
	require.True(t, balance.Balanced, "%+v", balance)
	require.Zero(t, p.Stop())
}

// ofOrg is the dump without what is the other organisation's.
func (p *program) ofOrg(db *pgxpool.Pool, org string) string {
	other := p.b.org
	if org == p.b.org {
		other = p.a.org
	}
	account := map[string]string{p.a.org: p.a.Account, p.b.org: p.b.Account}[other]
	var mine []string
	for _, line := range strings.Split(p.dump(db), "\n") {
		if !strings.Contains(line, other) && !strings.Contains(line, account) {
			mine = append(mine, line)
		}
	}
	return strings.Join(mine, "\n")
}

// bookkeeping is what publishing snapshots changes meanwhile.
var bookkeeping = regexp.MustCompile(`"published_version":\d+|(?m)^{"kind":"campaign_(changes|snapshots)".*\n`)

// export returns everything of an organisation, but for bookkeeping.
func (p *program) export(org string) string {
	p.t.Helper()
	out := filepath.Join(p.t.TempDir(), uuid.NewString())
	p.verb(0, "export", "--org", org, "--out", out)
	b, err := os.ReadFile(out)
	require.NoError(p.t, err)
	require.NotEmpty(p.t, b)
	return bookkeeping.ReplaceAllString(string(b), "")
}
