package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

const forbidden = "42501"

// attempt is a statement that somebody may try on a table.
type attempt struct {
	sql     string
	refused bool // it must be refused, rather than find nothing of the other organisation
}

// attempts are the statements that matter to the other organisation's rows.
func (o *orgTable) attempts(other events.OrgID) []attempt {
	theirs := fmt.Sprintf(" WHERE org_id = '%s'", other)
	list := []attempt{
		{"SELECT org_id FROM " + o.Name, false},
		{"SELECT org_id FROM " + o.Name + theirs, false},
		{"SELECT max(org_id::text)::uuid AS org_id FROM " + o.Name + " HAVING count(*) > 0", false},
		{"DELETE FROM " + o.Name + theirs + " RETURNING org_id", false},
		{"DELETE FROM " + o.Name + " RETURNING org_id", false},
		{o.insert(other), true},
		{o.insert(other) + " ON CONFLICT DO NOTHING", true},
		{fmt.Sprintf("UPDATE %s SET org_id = '%s'", o.Name, other), true},
		{"TRUNCATE " + o.Name, true},
		{fmt.Sprintf("CREATE TRIGGER mine BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()", o.Name), true},
		{fmt.Sprintf("ALTER TABLE %s DISABLE ROW LEVEL SECURITY", o.Name), true},
	}
	for _, c := range o.Updatable {
		list = append(
			list,
			attempt{fmt.Sprintf("UPDATE %[1]s SET %[2]s = %[2]s RETURNING org_id", o.Name, c), false},
			attempt{fmt.Sprintf("UPDATE %[1]s SET %[2]s = %[2]s%[3]s RETURNING org_id", o.Name, c, theirs), false},
			attempt{fmt.Sprintf("%[1]s ON CONFLICT (%[4]s) DO UPDATE SET %[3]s = excluded.%[3]s", o.insert(other), o.Name, c, strings.Join(o.Key, ", ")), true},
		)
	}
	if len(o.Updatable) > 0 {
		list = append(list, attempt{"SELECT org_id FROM " + o.Name + theirs + " FOR UPDATE", false}, attempt{"SELECT org_id FROM " + o.Name + " FOR SHARE", false})
	}
	for _, p := range o.Partitions {
		list = append(list, attempt{"SELECT org_id FROM " + p, true}, attempt{"DELETE FROM " + p, true})
	}
	return list
}

// try runs one statement as one organisation, or as none, and undoes it. It
// returns the organisations whose rows the statement saw, and the SQLSTATE.
func try(t testing.TB, pool *pgxpool.Pool, org, sql string) (seen []string, state string) {
	t.Helper()
	ctx := context.Background()
	tx, err := pool.Begin(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(ctx)) }()
	if org != "" {
		_, err = tx.Exec(ctx, "SELECT set_config('waybill.org', $1, true)", org)
		require.NoError(t, err)
	}
	rows, err := tx.Query(ctx, sql)
	if err == nil {
		seen, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return nil, refused.Code
	}
	require.NoError(t, err, sql)
	return seen, ""
}

// Whatever the worker says with one organisation's name, or none, it says
// nothing to another's rows: they are not read, not changed and not locked.
func TestNoStatementReachesAnotherOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tables := w.orgTables(t)
	w.fill(t, tables)
	worker := w.db.Pool(t, testkit.Worker)
	for i := range tables {
		o := &tables[i]
		t.Run(o.Name, func(t *testing.T) {
			before := w.rows(t, o.Name, w.orgB)
			require.NotEmpty(t, before)
			for _, a := range o.attempts(w.orgB) {
				seen, state := try(t, worker, string(w.orgA), a.sql)
				if a.refused {
					require.Equal(t, forbidden, state, a.sql)
				}
				for _, org := range seen {
					require.Equal(t, string(w.orgA), org, a.sql)
				}
				seen, state = try(t, worker, "", a.sql)
				require.Empty(t, seen, "as no organisation: %s", a.sql)
				require.True(t, state == forbidden || !a.refused, "as no organisation: %s", a.sql)
			}
			_, state := try(t, worker, string(w.orgA)+","+string(w.orgB), "SELECT org_id FROM "+o.Name)
			require.Equal(t, "22P02", state, "two organisations are none")
			seen, _ := try(t, worker, string(w.orgA), "SELECT org_id FROM "+o.Name)
			require.Len(t, seen, 1, "its own row is there")
			require.Equal(t, before, w.rows(t, o.Name, w.orgB))
		})
	}
}

// The other roles: operators read all organisations and write none, the router
// reads none.
func TestOperatorsReadAndTheRouterDoesNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tables := w.orgTables(t)
	w.fill(t, tables)
	for role, rows := range map[string]int{testkit.Router: 0, testkit.Operator: 2, testkit.ReadOnly: 2} {
		pool := w.db.Pool(t, role)
		for i := range tables {
			o := &tables[i]
			before := w.rows(t, o.Name, w.orgA)
			seen, _ := try(t, pool, string(w.orgA), "SELECT org_id FROM "+o.Name)
			require.Len(t, seen, rows, "%s: %s", role, o.Name)
			for _, a := range o.attempts(w.orgA) {
				if strings.HasPrefix(a.sql, "SELECT") && !a.refused && !strings.Contains(a.sql, " FOR ") {
					continue
				}
				_, state := try(t, pool, string(w.orgA), a.sql)
				require.Equal(t, forbidden, state, "%s: %s", role, a.sql)
			}
			require.Equal(t, before, w.rows(t, o.Name, w.orgA))
		}
	}
}

// Not even a superuser who has switched triggers off moves a row.
func TestARowKeepsItsOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tables := w.orgTables(t)
	w.fill(t, tables)
	w.exec(t, "INSERT INTO tenant_map (key) VALUES ('x')")
	w.exec(t, "UPDATE tenant_map SET org_id = $1", w.orgA) // a placeholder's first organisation
	names := []string{"tenant_map", "senders", "account_orgs"}
	for i := range tables {
		names = append(names, tables[i].Name)
	}
	w.own(t, "+1")
	for _, name := range names {
		for _, setting := range []string{"origin", "replica"} {
			err := pgx.BeginFunc(t.Context(), w.owner, func(tx pgx.Tx) error {
				if _, err := tx.Exec(t.Context(), "SET LOCAL session_replication_role = "+setting); err != nil {
					return err
				}
				_, err := tx.Exec(t.Context(), fmt.Sprintf("UPDATE %s SET org_id = $1 WHERE org_id = $2", name), w.orgB, w.orgA)
				return err
			})
			require.ErrorContains(t, err, "does not change its organisation", "%s, %s", name, setting)
		}
	}
	// Moving it to another partition at the same time is no way around.
	_, err := w.owner.Exec(t.Context(), "UPDATE events SET org_id = $1, applied_at = applied_at - interval '1 year' WHERE org_id = $2", w.orgB, w.orgA)
	require.ErrorContains(t, err, "does not change its organisation")
}

// What a transaction was limited to does not stay on its connection, however
// it ended: the next one starts with no organisation.
func TestTheOrganisationDoesNotStayOnTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: config(w.db.URL(testkit.Worker)), MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	pid, left := postgres.Left(t, db)
	require.Empty(t, left)
	failure := errors.New("given up")
	for name, use := range map[string]func(pgx.Tx) error{
		"committed":   func(tx pgx.Tx) error { _, err := tx.Exec(t.Context(), "SELECT count(*) FROM customers"); return err },
		"rolled back": func(pgx.Tx) error { return failure },
		"failed":      func(tx pgx.Tx) error { _, err := tx.Exec(t.Context(), "SELECT 1/0"); return err },
		"panicked":    func(pgx.Tx) error { panic("somewhere inside") },
	} {
		func() {
			defer func() { _ = recover() }()
			_ = db.InOrg(t.Context(), w.orgA, name, func(tx pgx.Tx) error {
				var org string
				require.NoError(t, tx.QueryRow(t.Context(), "SELECT current_setting('waybill.org', true)").Scan(&org))
				require.Equal(t, string(w.orgA), org)
				return use(tx)
			})
		}()
		again, left := postgres.Left(t, db)
		require.Empty(t, left, name)
		require.Equal(t, pid, again, "%s: it was to be the same connection", name)
	}
	d := newDesk(t)
	batches, err := postgres.Open(t.Context(), postgres.Config{URL: config(d.db.URL(testkit.Worker)), MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(batches.Close)
	d.messages = postgres.NewMessages(batches, events.GroupWorkers)
	d.apply(t, d.sent(d.orgA, 1), d.sent(d.orgB, 1))
	_, left = postgres.Left(t, batches)
	require.Empty(t, left, "after a batch of two")
}
