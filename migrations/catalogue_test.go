package migrations_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/testkit"
	"waybill/migrations"
)

// fresh returns a superuser's connection to a database that the migrations have
// just been run on. It is no copy of a template: copies lose the database's own
// grants.
func fresh(t *testing.T) *pgx.Conn {
	t.Helper()
	server, name := testkit.Postgres(t), strings.ToLower(t.Name())
	require.NoError(t, server.CreateDatabase(t.Context(), name))
	_, err := migrations.Up(t.Context(), server.SuperuserURL(name))
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), server.SuperuserURL(name))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) }) // the test's context is over by then
	return conn
}

// findings returns what breaks the rules, by rule, after some statements that
// are undone again: the roles are shared with every other test.
func findings(t *testing.T, owner *pgx.Conn, statements string) map[string][]string {
	t.Helper()
	ctx := t.Context()
	tx, err := owner.Begin(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(context.WithoutCancel(ctx))) }()
	for _, sql := range []string{statements, prelude()} {
		_, err = tx.Exec(ctx, sql)
		require.NoError(t, err)
	}
	found := map[string][]string{}
	for _, r := range rules {
		rows, err := tx.Query(ctx, r.query)
		require.NoError(t, err, r.name)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err, r.name)
		if len(lines) > 0 {
			found[r.name] = lines
		}
	}
	return found
}

func TestTheSchemaKeepsOrganisationsApart(t *testing.T) {
	t.Parallel()
	found := findings(t, fresh(t), "")
	for _, r := range rules {
		if lines := found[r.name]; len(lines) > 0 {
			t.Errorf("%s:\n  %s\nWhat to do: %s.", r.name, strings.Join(lines, "\n  "), r.do)
		}
	}
}
