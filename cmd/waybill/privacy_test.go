package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/privacy"
	"waybill/internal/testkit"
)

func TestAnExportIsWholeOrNotThere(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	org := s.org("Harbour Dental")
	s.live(events.OrgID(org))
	dir := t.TempDir()
	out := filepath.Join(dir, "export")
	require.Equal(t, 3, s.run("export", "--org", "7b2e0000-0000-4000-8000-000000000001", "--out", out).status)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files, "a failed export leaves nothing")

	s.env["WAYBILL_DATABASE_URL"] = s.db.URL(testkit.ReadOnly)
	var counts map[string]int64
	s.json(&counts, 0, "export", "--org", org, "--out", out)
	b, err := os.ReadFile(out)
	require.NoError(t, err)
	toStdout := s.run("export", "--org", org)
	require.Zero(t, toStdout.status)
	require.Equal(t, string(b), toStdout.out)
	kinds := map[string]int64{}
	for line := range strings.Lines(toStdout.out) {
		var item privacy.Item
		require.NoError(t, json.Unmarshal([]byte(line), &item))
		require.NotEmpty(t, item.Data)
		kinds[item.Kind]++
	}
	require.Equal(t, counts, kinds)
	require.EqualValues(t, 1, counts["sms_messages"])
	require.EqualValues(t, 3, counts["events"])
}

func TestErasingIsAskedForAloud(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	org := s.org("Harbour Dental")
	s.live(events.OrgID(org))
	for _, args := range [][]string{
		{"erase"},
		{"erase", "--org", org},
		{"erase", "--org", org, "--dry-run", "--yes"},
		{"erase", "--org", "x", "--yes"},
		{"erase", "--org", org, "--customer", "x", "--yes"},
		{"erase", "--org", org, "--address", "nobody", "--yes"},
		{"erase", "--org", org, "--customer", "c0570000-0000-4000-8000-000000000001", "--address", "+12025550123", "--yes"},
	} {
		require.Equal(t, 2, s.run(args...).status, args)
	}
	var dry, done privacy.Erased
	s.json(&dry, 0, "erase", "--org", org, "--dry-run")
	require.True(t, dry.DryRun)
	require.Empty(t, dry.ID)
	testkit.Golden(t, "json/erase.json", steady(s.json(&done, 0, "erase", "--org", org, "--yes")))
	require.Equal(t, dry.Rows, done.Rows)
	require.Regexp(t, org+` +\(erased\)`, s.run("org", "list").out, "its id stays")
	s.env["WAYBILL_DATABASE_URL"] = s.db.URL(testkit.ReadOnly)
	r := s.run("erase", "--org", org, "--yes")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.errOut, "waybill_operator")
}

// Topics are made and compared with what the environment says of their retention.
func TestTopicsAreKeptAsConfigured(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	broker := testkit.EmbeddedKafka(t, events.TopicSpec{Name: "unrelated", Partitions: 1})
	s.env["WAYBILL_KAFKA_BROKERS"] = broker.Addr()
	s.env["WAYBILL_RETENTION_REJECTED"] = "48h"
	var report struct {
		Problems []struct{ Topic, What, Want, Have string }
	}
	s.json(&report, 0, "topics", "create", "--profile", "embedded")
	require.Empty(t, report.Problems)
	delete(s.env, "WAYBILL_RETENTION_REJECTED")
	s.json(&report, 0, "topics", "check", "--profile", "embedded")
	type problem = struct{ Topic, What, Want, Have string }
	require.Equal(t, []problem{
		{events.TopicRejected, "retention", "24h0m0s", "48h0m0s"}, {events.TopicRejected, "segment_age", "6h0m0s", "12h0m0s"},
	}, report.Problems)
	s.env["WAYBILL_RETENTION_EVENT_IDS"] = "1h"
	r := s.run("topics", "check")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.errOut, "WAYBILL_RETENTION_EVENT_IDS: want at least 720h")
}
