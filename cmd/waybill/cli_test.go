package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	main "waybill/cmd/waybill"
	"waybill/internal/config"
	"waybill/internal/seal"
	"waybill/internal/testkit"
)

// shell runs the command against a database and a broker of its own.
type shell struct {
	t   *testing.T
	db  testkit.DB
	env config.Source
}

func newShell(t *testing.T) *shell {
	t.Helper()
	db := testkit.Database(t)
	return &shell{t: t, db: db, env: config.Source{
		"WAYBILL_DATABASE_URL": db.URL(testkit.Operator), "WAYBILL_SECRET_KEY": seal.NewKey(),
	}}
}

// result is what a run of the command came to.
type result struct {
	status      int
	out, errOut string
}

func (s *shell) run(args ...string) result { return s.pipe("", args...) }

func (s *shell) pipe(in string, args ...string) result {
	s.t.Helper()
	return run(s.t, s.env, in, args...)
}

func run(t *testing.T, env config.Source, in string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	status := main.Run(t.Context(), args, env, strings.NewReader(in), &out, &errOut)
	return result{status, out.String(), errOut.String()}
}

// json runs a verb with --json, wants it to end with a status, and decodes
// what it printed.
func (s *shell) json(into any, status int, args ...string) string {
	s.t.Helper()
	r := s.run(append(args, "--json")...)
	require.Equal(s.t, status, r.status, "%v: %s", args, r.errOut)
	if into != nil {
		require.NoError(s.t, json.Unmarshal([]byte(r.out), into), r.out)
	}
	return r.out
}

// file writes a secret and returns its path.
func (s *shell) file(content string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "secret")
	require.NoError(s.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

var (
	anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyTime = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)
)

// steady replaces what differs from run to run: ids by their order, times.
func steady(out string) []byte {
	seen := map[string]string{}
	out = anyUUID.ReplaceAllStringFunc(out, func(id string) string {
		if seen[id] == "" {
			seen[id] = fmt.Sprintf("<uuid %d>", len(seen)+1)
		}
		return seen[id]
	})
	return []byte(anyTime.ReplaceAllString(out, "<time>"))
}
