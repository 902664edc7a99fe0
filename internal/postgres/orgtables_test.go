package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

// orgTable is a table of organisations' rows as the catalogue describes it.
type orgTable struct {
	Name       string
	Columns    []string // those that can be written, org_id among them
	Values     []string // a value for each that must have one, "" for the others
	Updatable  []string // by the worker
	Key        []string // the primary key
	Partitions []string
}

// orgTables are the tables with row-level security: that these are all that
// need it is what the catalogue's test in migrations is for.
const orgTables = `
	SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attnum),
		array_agg(CASE WHEN a.attname = 'org_id' OR NOT a.attnotnull OR a.atthasdef THEN '' ELSE coalesce(v.value, '?') || '::' || format_type(a.atttypid, a.atttypmod) END ORDER BY a.attnum),
		coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE has_column_privilege('waybill_worker', c.oid, a.attnum, 'UPDATE')), '{}'),
		array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attnum = ANY (i.indkey)),
		ARRAY(SELECT p.inhrelid::regclass::text FROM pg_inherits p WHERE p.inhparent = c.oid ORDER BY 1)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
	JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
	JOIN pg_type t ON t.oid = a.atttypid
	LEFT JOIN (VALUES ('U', 'uuid', '''00000000-0000-4000-8000-0000000000aa'''), ('S', 'text', '''x'''), ('N', '', '''1'''), ('B', '', '''true'''),
		('D', '', '''now'''), ('U', 'bytea', '''x'''), ('U', 'xid8', '''1'''), ('U', 'jsonb', '''{}'''), ('A', '', '''{}'''), ('R', '', '''empty''')) v (category, type, value)
		ON v.category = t.typcategory AND v.type IN ('', t.typname)
	WHERE c.relnamespace = 'public'::regnamespace AND c.relrowsecurity AND NOT c.relispartition
	GROUP BY c.oid, c.relname ORDER BY c.relname`

func (w *world) orgTables(t testing.TB) []orgTable {
	t.Helper()
	rows, err := w.owner.Query(t.Context(), orgTables)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[orgTable])
	require.NoError(t, err)
	require.Greater(t, len(all), 5)
	return all
}

// insert is a statement that makes an organisation's row. Every organisation's
// is the same but for org_id.
func (o *orgTable) insert(org events.OrgID) string {
	var columns, values []string
	for i, c := range o.Columns {
		v := o.Values[i]
		if c == "org_id" {
			v = "'" + string(org) + "'"
		}
		if v != "" {
			columns, values = append(columns, c), append(values, v)
		}
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", o.Name, strings.Join(columns, ", "), strings.Join(values, ", "))
}

// fill gives every organisation one row in every table. What the rows mean is
// beside the point: checks and references are out of force.
func (w *world) fill(t testing.TB, tables []orgTable) {
	t.Helper()
	ctx := t.Context()
	const dropChecks = `DO $$ DECLARE c record; BEGIN
		FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint WHERE contype = 'c' AND coninhcount = 0 AND conrelid <> 0 LOOP
			EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname);
		END LOOP; END $$`
	require.NoError(t, pgx.BeginFunc(ctx, w.owner, func(tx pgx.Tx) error {
		for _, sql := range []string{dropChecks, "SET LOCAL session_replication_role = replica"} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		for i := range tables {
			for _, org := range []events.OrgID{w.orgA, w.orgB} {
				if _, err := tx.Exec(ctx, tables[i].insert(org)); err != nil {
					return fmt.Errorf("%s: %w", tables[i].Name, err)
				}
			}
		}
		return nil
	}))
}

// rows describes an organisation's rows of a table, who wrote them and who
// locked them last included.
func (w *world) rows(t testing.TB, table string, org events.OrgID) string {
	t.Helper()
	var text string
	err := w.owner.QueryRow(context.Background(),
		"SELECT coalesce(string_agg(concat_ws(' ', r.xmin, r.xmax, r.ctid, r), E'\n' ORDER BY r.ctid), '') FROM "+table+" r WHERE org_id = $1", org).Scan(&text)
	require.NoError(t, err)
	return text
}
