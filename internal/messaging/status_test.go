package messaging_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/messaging"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The bits lie in the database: this list may only grow.
func TestBitsAreAPromise(t *testing.T) {
	t.Parallel()
	want := map[string]int{
		"intended": 0, "accepted": 1, "scheduled": 2, "queued": 3, "sending": 4, "sent": 5, "partially_delivered": 6,
		"canceled": 7, "failed": 8, "undelivered": 9, "delivered": 10, "read": 11, "receiving": 12, "received": 13,
	}
	got := map[string]int{}
	for _, s := range messaging.Statuses() {
		got[s.Name] = s.Bit
		require.Equal(t, s.Name, messaging.BitName(s.Bit))
		require.Less(t, s.Bit, 63, "a bigint has 63 bits that are not its sign")
	}
	require.Empty(t, cmp.Diff(want, got))
	require.Empty(t, messaging.BitName(62))
}

func TestStatusesStandInTheOrderOfTheirRanks(t *testing.T) {
	t.Parallel()
	order := []string{
		"intended", "accepted", "scheduled", "queued", "sending", "sent", "partially_delivered",
		"canceled", "failed", "undelivered", "delivered", "read", "receiving", "received",
	}
	all := messaging.Statuses()
	require.Len(t, all, len(order))
	terminal := map[string]bool{
		"canceled": true, "failed": true, "undelivered": true, "delivered": true, "read": true, "received": true,
	}
	for i, s := range all {
		require.Equal(t, order[i], s.Name)
		require.Equal(t, i, s.Rank)
		require.Equal(t, terminal[s.Name], s.Terminal, s.Name)
		require.Equal(t, s.Name == "receiving" || s.Name == "received", s.Direction == events.Inbound, s.Name)
		found, ok := messaging.Lookup(s.Name)
		require.True(t, ok)
		require.Equal(t, s, found)
	}
	all[0].Name = "changed"
	require.Equal(t, "intended", messaging.Statuses()[0].Name, "the table is not the caller's")
}

func TestNamesAreExact(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Delivered", " sent", "bounced_transient", "unknown"} {
		_, ok := messaging.Lookup(name)
		require.False(t, ok, "%q", name)
	}
}

func TestErrorClass(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"": "", "21610": "opted_out", "21211": "invalid_number", "21614": "invalid_number", "30005": "invalid_number",
		"30006": "invalid_number", "30003": "unreachable", "21612": "unreachable", "30036": "unreachable",
		"30004": "blocked", "30007": "blocked", "30034": "blocked", "30018": "blocked", "30024": "blocked",
		"21408": "blocked", "30002": "blocked", "30001": "rate", "30017": "rate", "30022": "rate", "30023": "rate",
		"63018": "rate", "30410": "carrier", "21617": "content", "30019": "content", "63016": "content",
		"63003": "invalid_number", "63024": "invalid_number", "63032": "blocked",
		"30008": "unknown", "99999": "unknown", "030003": "unknown", "30003 ": "unknown", "nonsense": "unknown",
	} {
		require.Equal(t, want, messaging.ErrorClass(code), "%q", code)
	}
}

func TestDiagram(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "states.mmd")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(messaging.Diagram()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), messaging.Diagram()), "run the test with -update")
}
