package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// In a new database a plan that was made for empty tables read all of an
// organisation's messages for every key: 2,200 events a second instead of
// 33,000, and less with every message, until somebody counted the rows.
func TestRegressionPlansOfANewDatabaseGoByThePrimaryKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	url := d.db.URL(testkit.Worker)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: config(url), MaxConns: 2, Prepared: true})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	for statement, types := range postgres.ByKey {
		plan := strings.Join(db.GenericPlan(t, statement, types), "\n")
		require.NotContains(t, plan, "Seq Scan", plan)
		for line := range strings.SplitSeq(plan, "\n") {
			_, index, ok := strings.Cut(line, " using ")
			require.False(t, ok && !strings.Contains(index, "_pkey"), plan)
		}
	}
}

// The planner must have no other choice: see migration 0012.
func TestTheOnlyFullIndexOfATenantTableIsItsPrimaryKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	rows, err := d.owner.Query(t.Context(), `
		SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		WHERE c.relrowsecurity AND NOT i.indisprimary AND i.indpred IS NULL`)
	require.NoError(t, err)
	others, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, others, "make it partial, with a condition that follows from what it is used for")
}
