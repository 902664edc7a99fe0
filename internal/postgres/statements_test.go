package postgres_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// acrossOrgs are statements that look at all organisations, by a part of their
// text, and why. Only the operators' roles may run them, and may only read.
var acrossOrgs = map[string]string{
	"counted AS (":                         "waybill audit recounts every campaign; it groups by organisation",
	"SELECT count(*), coalesce(min(":       "waybill audit counts gaps between outcomes, timelines and rows",
	"SELECT org_id, id FROM sms_campaigns": "waybill audit says how many campaigns it recounted",
}

var (
	// comparison is how a statement names its organisation. Operators narrow to
	// a list of them.
	comparison = regexp.MustCompile(`(?i)\borg_id\s*=\s*(\$\d|@\w|ANY\s*\((\$\d|@\w))`)
	// whoSays are words that change whom a transaction speaks for.
	whoSays = regexp.MustCompile(`(?i)waybill\.org\b|\bSET\s+(LOCAL\s+|SESSION\s+)?ROLE\b|\bSESSION\s+AUTHORIZATION\b|\brow_security\b`)
	comment = regexp.MustCompile(`--[^\n]*`)
)

// statement is one SQL text of the source.
type statement struct{ where, sql string }

// misplaced returns the statements that break the rule of the house: what
// touches an organisation's table names the organisation for each mention of
// the table, and runs where row-level security has been told of it.
func misplaced(statements []statement, tables []string) (broken []string) {
	touches := regexp.MustCompile(`(?i)\b(FROM|JOIN|UPDATE|INTO|USING|TABLE|TRUNCATE)\s+(ONLY\s+)?(public\.)?(` + strings.Join(tables, "|") + `)\b`)
	inserts := regexp.MustCompile(`(?i)\bINTO\s+(` + strings.Join(tables, "|") + `)(\s+AS\s+\w+)?\s*\(org_id,[^)]*\)\s*(SELECT|VALUES\s*\()\s*\$1\b`)
	for _, s := range statements {
		sql := comment.ReplaceAllString(s.sql, "")
		if whoSays.MatchString(sql) && !strings.HasPrefix(s.where, "orgs.go:") {
			broken = append(broken, s.where+" says for whom the transaction speaks: only orgs.go does")
		}
		if n := len(touches.FindAllString(sql, -1)); n > len(comparison.FindAllString(sql, -1))+len(inserts.FindAllString(sql, -1)) && !excused(sql) {
			broken = append(broken, s.where+" does not name the organisation for each table: add org_id = $1, or name the statement in acrossOrgs with a reason")
		}
		if strings.HasSuffix(s.where, poolCall) && touches.MatchString(sql) {
			broken = append(broken, s.where+": run it in InOrg or inOrgs")
		}
	}
	return broken
}

func excused(sql string) bool {
	for part := range acrossOrgs {
		if strings.Contains(sql, part) {
			return true
		}
	}
	return false
}

const poolCall = " on the pool itself"

// sqlOf reads the statements of a Go file: every string, and once more those
// that are given to the pool without a transaction.
func sqlOf(t testing.TB, name string, src any) []statement {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	require.NoError(t, err)
	named := map[string]string{}
	var all []statement
	where := func(n ast.Node) string {
		at := set.Position(n.Pos())
		return fmt.Sprintf("%s:%d", filepath.Base(at.Filename), at.Line)
	}
	text := func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			return s, err == nil && e.Kind == token.STRING
		case *ast.Ident:
			s, ok := named[e.Name]
			return s, ok
		}
		return "", false
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, v := range n.Values {
				if s, ok := text(v); ok {
					named[n.Names[i].Name] = s
				}
			}
		case *ast.BasicLit:
			if s, ok := text(n); ok {
				all = append(all, statement{where(n), s})
			}
		}
		return true
	})
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if on, ok := method.X.(*ast.SelectorExpr); ok && on.Sel.Name == "pool" {
			for _, arg := range call.Args {
				if s, ok := text(arg); ok {
					all = append(all, statement{where(arg) + poolCall, s})
				}
			}
		}
		return true
	})
	return all
}

func TestEveryStatementNamesItsOrganisation(t *testing.T) {
	t.Parallel()
	var tables []string
	for _, o := range newWorld(t).orgTables(t) {
		tables = append(tables, o.Name)
	}
	var all []statement
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		if !strings.HasSuffix(name, "_test.go") {
			all = append(all, sqlOf(t, name, nil)...)
		}
	}
	queries, err := filepath.Glob("queries/*.sql")
	require.NoError(t, err)
	for _, name := range queries {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for q := range strings.SplitSeq(string(text), "-- name: ") {
			title, _, _ := strings.Cut(q, " ")
			all = append(all, statement{name + ": " + title, q})
		}
	}
	require.Greater(t, len(all), 100, "the source was not found")
	require.Empty(t, misplaced(all, tables))
	for part := range acrossOrgs {
		require.True(t, slices.ContainsFunc(all, func(s statement) bool { return strings.Contains(s.sql, part) }), "there is no %q any more", part)
	}
}

func TestMisplacedStatementsAreFound(t *testing.T) {
	t.Parallel()
	const sound = "package p\nconst q = `SELECT 1 FROM calls WHERE org_id = $1 AND id = $2`\nfunc f() { tx.Query(q) }"
	require.Empty(t, misplaced(sqlOf(t, "a.go", sound), []string{"calls"}))
	for src, want := range map[string]string{
		"const q = `SELECT 1 FROM calls WHERE id = $1`":                                                  "does not name",
		"const q = `UPDATE calls SET x = 1 WHERE org_id IS NOT NULL`":                                    "does not name",
		"const q = `INSERT INTO calls (id) VALUES ($1)`":                                                 "does not name",
		"const q = `INSERT INTO calls (org_id, id) SELECT o, i FROM unnest($1, $2) u (o, i)`":            "does not name",
		"const q = `SELECT 1 FROM calls a JOIN calls b USING (id) WHERE a.org_id = $1`":                  "does not name",
		"const q = `SELECT 1 FROM calls WHERE id = $1 -- org_id = $1\n`":                                 "does not name",
		"const q = `DELETE FROM calls WHERE org_id = $1`\nfunc (d *db) f() { d.pool.Exec(ctx, q, org) }": "run it in InOrg",
		"func (d *db) f() { d.s.pool.QueryRow(ctx, `SELECT 1 FROM calls WHERE org_id = $1`, org) }":      "run it in InOrg",
		"const q = `SELECT set_config('waybill.org', $1, false)`":                                        "only orgs.go does",
		"const q = `SET ROLE waybill_owner`":                                                             "only orgs.go does",
		"const q = `SET LOCAL row_security = off`":                                                       "only orgs.go does",
	} {
		broken := misplaced(sqlOf(t, "a.go", "package p\n"+src), []string{"calls"})
		require.Len(t, broken, 1, src)
		require.Contains(t, broken[0], want)
	}
}
