// Package providers_test measures what the providers cost beside the least that
// any program would have to do for the same bytes: the bare HMAC or RSA check,
// the bare decoding.
//
//	go test -count=1 -v ./bench/providers -rounds 501
//
// The two sides take turns, a millisecond each, and the medians are printed as
// a table; with -write FILE the table in that file is replaced. Times of one
// run are to be compared with each other only; allocations do not depend on
// the machine.
package providers_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider/connect"
)

var (
	rounds = flag.Int("rounds", 3, "turns of each side; limits are held from 101 on")
	write  = flag.String("write", "", "a Markdown file whose table is replaced")
)

const (
	enough   = 101      // rounds, below which a limit says nothing
	records  = 10_000   // the most that Firehose sends
	maxLive  = 16 << 20 // bytes, of a stream of any size
	tableTop = "<!-- figures -->"
	tableEnd = "<!-- /figures -->"
)

//nolint:paralleltest // everything else would be measured as well
func TestProviders(t *testing.T) {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, %s, %s/%s, %s, %d rounds.\n\n", time.Now().UTC().Format(time.DateOnly), processor(), runtime.GOOS, runtime.GOARCH, runtime.Version(), *rounds)
	out.WriteString("| work | bytes | ours | bare | ratio | limit | allocations | of the bare | allocated | of the bare |\n")
	out.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	var missed []string
	for _, p := range pairs(t) {
		r := measure(t, p, *rounds)
		limit := ""
		if r.limit > 0 {
			limit = fmt.Sprintf("%.1f", r.limit)
			if r.ratio > r.limit {
				missed = append(missed, fmt.Sprintf("%s: %.2f of at most %.1f", r.name, r.ratio, r.limit))
			}
		}
		fmt.Fprintf(&out, "| %s; %s | %d | %s | %s | %.2f | %s | %d | %d | %d B | %d B |\n", r.name, r.bareName, r.size,
			micros(r.took.perOp), micros(r.bareTook.perOp), r.ratio, limit, r.took.allocs, r.bareTook.allocs, r.took.bytes, r.bareTook.bytes)
	}
	out.WriteString("\n" + streamed(t))
	t.Log("\n" + out.String())
	if *rounds >= enough {
		require.Empty(t, missed)
	}
	if *write != "" {
		replace(t, *write, out.String())
	}
}

// streamed measures one request of Firehose: how fast it is read, and how much
// of it is in memory at a time.
func streamed(t *testing.T) string {
	plain, packed := stream(t, records/10)
	if *rounds >= enough {
		plain, packed = stream(t, records)
	}
	before, most, seen := live(), uint64(0), 0
	read := func(each func(connect.Document) error) {
		d, err := connect.ReadDelivery(bytes.NewReader(packed), "gzip", "", each)
		require.NoError(t, err)
		seen = d.Documents
	}
	read(func(d connect.Document) error {
		if d.Number%500 == 0 {
			most = max(most, live())
		}
		return nil
	})
	ours := most - min(before, most)
	var whole uint64
	require.NoError(t, bareStream(packed, func() { whole = live() }))
	whole -= min(before, whole)
	require.Less(t, ours, uint64(maxLive), "the memory of a request is bounded")

	var a, b []time.Duration
	for range max(1, *rounds/50) {
		a = append(a, run(t, func() error { read(func(connect.Document) error { return nil }); return nil }, 1))
		b = append(b, run(t, func() error { return bareStream(packed, func() {}) }, 1))
	}
	rate := func(d time.Duration) float64 { return float64(len(plain)) / 1e6 / d.Seconds() }
	return fmt.Sprintf("A Firehose request of %.1f MB (%.1f MB packed, %d records) is read at %.0f MB/s with at most %.1f MB of memory; "+
		"`gzip` and `encoding/json` in one go take it at %.0f MB/s with %.1f MB.\n",
		float64(len(plain))/1e6, float64(len(packed))/1e6, seen, rate(median(a)), float64(ours)/1e6, rate(median(b)), float64(whole)/1e6)
}

func micros(d time.Duration) string { return fmt.Sprintf("%.2f µs", float64(d.Nanoseconds())/1e3) }

// processor names the machine, as far as it says.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return fmt.Sprintf("%s, %d cores", strings.TrimSpace(value), runtime.NumCPU())
		}
	}
	return fmt.Sprintf("%d cores", runtime.NumCPU())
}

// replace puts the table into a file.
func replace(t *testing.T, file, table string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(text), tableTop)
	_, tail, closed := strings.Cut(rest, tableEnd)
	require.True(t, found && closed, "no place for the table in %s", file)
	require.NoError(t, os.WriteFile(file, []byte(head+tableTop+"\n"+table+tableEnd+tail), 0o644))
}
