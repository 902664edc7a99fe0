package migrations_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/testkit"
)

func TestGrantsAreThoseOnRecord(t *testing.T) {
	t.Parallel()
	rows, err := fresh(t).Query(t.Context(), allGrants)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, lines)
	testkit.Golden(t, "grants.txt", []byte(header+strings.Join(lines, "\n")+"\n"))
}

const header = "# Who may do what, where. `go test ./migrations -update` writes it; a line that changes is a question for the review.\n"

// allGrants is everything that is granted to anybody but the owner, in the
// schema and on it, extensions' own functions left out.
const allGrants = `
WITH objects AS (
	SELECT oid, 'pg_class'::regclass AS class, oid::regclass::text AS name, relowner AS owner, relnamespace AS ns,
		coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, relowner)) AS acl
	FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
	UNION ALL SELECT oid, 'pg_proc'::regclass, oid::regprocedure::text, proowner, pronamespace, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
	UNION ALL SELECT oid, 'pg_namespace'::regclass, 'schema ' || nspname, nspowner, oid, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace
), granted AS (
	SELECT o.name, a.grantee, a.privilege_type AS privilege, a.is_grantable, NULL::name AS col, NULL::int2 AS num
	FROM objects o, aclexplode(o.acl) a
	WHERE a.grantee <> o.owner AND o.ns::regnamespace::text NOT LIKE 'pg\_%' AND o.ns::regnamespace::text <> 'information_schema'
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')
	UNION ALL
	SELECT o.name, a.grantee, a.privilege_type, a.is_grantable, c.attname, c.attnum
	FROM objects o JOIN pg_attribute c ON o.class = 'pg_class'::regclass AND c.attrelid = o.oid, aclexplode(c.attacl) a
	WHERE a.grantee <> o.owner AND o.ns::regnamespace::text NOT LIKE 'pg\_%' AND o.ns::regnamespace::text <> 'information_schema'
)
SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END || ' ' || name || ' ' || privilege
	|| coalesce(' (' || string_agg(col, ', ' ORDER BY num) || ')', '') || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS line
FROM granted GROUP BY grantee, name, privilege, is_grantable, col IS NULL
ORDER BY line`
