package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// Three walls stand between organisations: the organisation in every WHERE,
// row-level security, and keys that begin with the organisation. Each hides the
// loss of another, so each is tried with the others out of its way.
func TestEachWallHoldsAlone(t *testing.T) {
	t.Parallel()
	t.Run("the organisation in every WHERE", testWhereAlone)
	t.Run("row-level security", testRowSecurityAlone)
	t.Run("keys that begin with the organisation", testKeysAlone)
}

// twins are two organisations whose rows and campaigns have the same ids. They
// are written by the superuser, whom row-level security does not hold.
type twins struct {
	*desk
	phones    *callDesk
	campaigns *postgres.Campaigns

	messageRow, mailRow, callRow events.RowID
}

func newTwins(t *testing.T) *twins {
	t.Helper()
	d := newDesk(t)
	require.NoError(t, d.ledger.Plant(t.Context(), events.TopicCalls, 0, 0))
	super := d.open(t, testkit.Owner)
	d.messages = postgres.NewMessages(super, events.GroupWorkers)
	id := func() events.RowID { return events.RowID(uuid.NewString()) }
	return &twins{
		d, &callDesk{&desk{world: d.world}, postgres.NewCalls(super, events.GroupWorkers)}, postgres.NewCampaigns(super),
		id(), id(), id(),
	}
}

// play applies what happens to an organisation's message, e-mail and call. It
// returns the status events, and those that a replay brings back.
func (w *twins) play(t *testing.T, org events.OrgID, sms, mail, call, to string) (said, again []events.Status) {
	t.Helper()
	messages := []events.Message{w.sent(org, 1), w.status(org, 1, sms, "", 1), w.mailed(org, 2, to), w.mail(org, 2, mail, 1, to)}
	for i := range messages {
		m := &messages[i]
		m.Row = w.messageRow
		if m.Channel == events.Email {
			m.Row = w.mailRow
		}
		if m.Kind == events.KindSend {
			m.CustomerID = testCampaign // it may be any id
		}
	}
	calls := []events.Call{w.phones.placed(org, 3), w.phones.call(org, 3, call, 1)}
	calls[1].Recording = &events.Recording{ProviderID: "RE3", Status: "completed"}
	for i := range calls {
		calls[i].Row = w.callRow
	}
	said = slices.Concat(w.apply(t, messages...).Status, w.phones.apply(t, calls...).Status)

	for i := range messages {
		messages[i].Replay = true
	}
	for i := range calls {
		calls[i].Replay = true
	}
	texts, err := w.messages.Apply(t.Context(), []bus.Fence{w.fence(0)}, messages)
	require.NoError(t, err)
	spoken, err := w.phones.calls.Apply(t.Context(), []bus.Fence{{Topic: events.TopicCalls, At: w.phones.at, Next: w.phones.at}}, calls)
	require.NoError(t, err)
	return said, slices.Concat(texts.Status, spoken.Status)
}

// image is every row of an organisation as text.
func (w *world) image(t testing.TB, org events.OrgID) map[string]string {
	t.Helper()
	image := map[string]string{}
	for _, table := range w.tablesByOrg(t) {
		var rows string
		require.NoError(t, w.owner.QueryRow(context.Background(),
			"SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM "+table+" t WHERE org_id = $1", org).Scan(&rows))
		image[table] = rows
	}
	return image
}

// tablesByOrg are the tables that the worker reads and whose key begins with
// the organisation.
func (w *world) tablesByOrg(t testing.TB) []string {
	t.Helper()
	rows, err := w.owner.Query(context.Background(), `
		SELECT c.relname::text FROM pg_class c
		JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] AND a.attname = 'org_id'
		WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND has_table_privilege('waybill_worker', c.oid, 'SELECT')
		ORDER BY 1`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(tables), 12)
	return tables
}

func testWhereAlone(t *testing.T) {
	t.Parallel()
	w := newTwins(t)
	w.play(t, w.orgB, "delivered", "bounced_permanent", "completed", "b@example.com")
	theirs := w.image(t, w.orgB)
	said, again := w.play(t, w.orgA, "sent", "delayed", "ringing", "a@example.com")
	require.Equal(t, theirs, w.image(t, w.orgB), "the other organisation's rows")

	var states []string
	for i := range said {
		require.Equal(t, w.orgA, said[i].Org)
		require.LessOrEqual(t, len(said[i].Recipients), 1, "the other organisation's recipients")
		states = append(states, fmt.Sprintf("%s v%d %s", said[i].Channel, said[i].Version, said[i].Status))
	}
	require.Equal(t, []string{"sms v1 accepted", "sms v2 sent", "email v1 sent", "email v2 delayed", "voice v1 queued", "voice v2 ringing"}, states)
	require.ElementsMatch(t, records(t, said), records(t, again), "what comes back from the timeline")

	snapshots := publish(t, w.campaigns, 10, noon)
	require.Len(t, snapshots, 2)
	for _, s := range snapshots {
		require.EqualValues(t, 3, s.Messages, "the numbers of %s", s.Org)
	}
	var completed []events.OrgID
	for _, table := range []string{"sms_campaigns", "email_campaigns", "voice_campaigns"} {
		rows, err := w.owner.Query(t.Context(), "SELECT org_id::text FROM "+table+" WHERE completed_at IS NOT NULL")
		require.NoError(t, err)
		orgs, err := pgx.CollectRows(rows, pgx.RowTo[events.OrgID])
		require.NoError(t, err)
		completed = append(completed, orgs...)
	}
	require.Equal(t, []events.OrgID{w.orgB, w.orgB, w.orgB}, completed)
}

// The worker speaks without a WHERE: it sees and changes one organisation's rows.
func testRowSecurityAlone(t *testing.T) {
	t.Parallel()
	w := newTwins(t)
	for _, org := range []events.OrgID{w.orgA, w.orgB} {
		w.play(t, org, "sent", "delayed", "ringing", "x@example.com")
	}
	theirs := w.image(t, w.orgB)
	worker := w.db.Pool(t, testkit.Worker)
	asOrgA := func(do func(pgx.Tx)) {
		tx, err := worker.Begin(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, tx.Rollback(context.Background())) }()
		_, err = tx.Exec(t.Context(), "SELECT set_config('waybill.org', $1, true)", w.orgA)
		require.NoError(t, err)
		do(tx)
	}
	seen := 0
	for table, rows := range theirs {
		if rows == "" {
			continue
		}
		seen++
		asOrgA(func(tx pgx.Tx) {
			var orgs []events.OrgID
			require.NoError(t, tx.QueryRow(t.Context(), "SELECT array_agg(DISTINCT org_id::text) FROM "+table).Scan(&orgs))
			require.Equal(t, []events.OrgID{w.orgA}, orgs, table)
		})
	}
	require.GreaterOrEqual(t, seen, 12, "tables with rows of both")
	for _, table := range []string{"sms_messages", "email_messages", "calls"} {
		asOrgA(func(tx pgx.Tx) {
			tag, err := tx.Exec(t.Context(), "UPDATE "+table+" SET status = 'failed'")
			require.NoError(t, err)
			require.EqualValues(t, 1, tag.RowsAffected(), table)
		})
	}
	for _, table := range []string{"customers", "sms_campaigns", "voice_campaigns"} {
		asOrgA(func(tx pgx.Tx) {
			_, err := tx.Exec(t.Context(), "INSERT INTO "+table+" (org_id, id) VALUES ($1, $2)", w.orgB, uuid.NewString())
			require.ErrorContains(t, err, "row-level security", table)
		})
	}
}

// Not even the superuser gives a row a parent of another organisation.
func testKeysAlone(t *testing.T) {
	t.Parallel()
	w := newTwins(t)
	w.play(t, w.orgA, "sent", "delayed", "ringing", "a@example.com")
	theirs := uuid.NewString()
	for _, table := range []string{"customers", "sms_campaigns", "email_campaigns", "voice_campaigns"} {
		w.exec(t, "INSERT INTO "+table+" (org_id, id) VALUES ($1, $2)", w.orgB, theirs)
	}
	w.messageRow, w.mailRow, w.callRow = events.RowID(theirs), events.RowID(theirs), events.RowID(theirs)
	w.play(t, w.orgB, "sent", "delayed", "ringing", "b@example.com")
	for _, child := range []string{
		"sms_messages SET campaign_id", "sms_messages SET customer_id", "email_messages SET campaign_id", "email_messages SET customer_id",
		"calls SET campaign_id", "calls SET customer_id", "email_recipients SET email_id", "call_recordings SET call_id",
		"campaign_counters SET campaign_id",
	} {
		_, err := w.owner.Exec(t.Context(), "UPDATE "+child+" = $2 WHERE org_id = $1", w.orgA, theirs)
		require.ErrorContains(t, err, "violates foreign key constraint", child)
	}
}
