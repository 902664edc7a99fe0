package tenantmap_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/tenantmap"
)

const (
	mostMemory = 150 << 20 // of a process that asked for all mappings once
	streamURL  = "BENCH_STREAM_URL"
)

var errMissing = errors.New("a mapping is missing")

// footprint is what the child process tells of itself, in bytes.
type footprint struct {
	Entries, Cache int
	Now, Most      int // VmRSS, VmHWM
	Later          int // VmRSS after more batches
}

// memory has a process of its own ask for every mapping once.
func memory(t *testing.T, url string, n int) {
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStream$", "-test.v", fmt.Sprint("-mappings=", n)) //nolint:gosec // this program
	child.Env = append(os.Environ(), streamURL+"="+url)
	out, err := child.Output()
	require.NoError(t, err, "%s", out)
	_, told, ok := strings.Cut(string(out), "footprint ")
	require.True(t, ok, "%s", out)
	var f footprint
	require.NoError(t, json.NewDecoder(strings.NewReader(told)).Decode(&f))
	t.Logf("all %d mappings once: cache of %d entries, %d MB by its own account; VmRSS %d MB, VmHWM %d MB; after a tenth of them again VmRSS %d MB",
		n, f.Entries, f.Cache>>20, f.Now>>20, f.Most>>20, f.Later>>20)
	require.Positive(t, f.Entries)
	if *targets {
		require.LessOrEqual(t, f.Most, mostMemory, "VmHWM")
	}
}

// TestStream is the process that [memory] starts; by itself it does nothing.
func TestStream(t *testing.T) {
	url := os.Getenv(streamURL)
	if url == "" {
		t.Skip("started by the benchmark")
	}
	l := newLookups(t, url)
	all := &sequence{n: int64(*mappings)}
	const together = 8
	stream := func(keys int) {
		for range keys / batchKeys / together {
			rate(t, 4, all.batches(together, batchKeys), func(ctx context.Context, keys []tenantmap.Key) error {
				facts, err := l.Facts(ctx, keys)
				if err == nil && len(facts.Mappings) != len(keys) {
					err = errMissing
				}
				return err
			})
		}
	}
	var f footprint
	stream(*mappings)
	f.Entries, f.Cache = l.Size()
	f.Now, _ = resident(t)
	stream(max(*mappings/10, together*batchKeys))
	f.Later, f.Most = resident(t)
	out, err := json.Marshal(f)
	require.NoError(t, err)
	fmt.Println("footprint", string(out))
}

// resident returns the memory of this process, now and at most, in bytes.
func resident(t *testing.T) (now, most int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		var kb int
		switch {
		case scan(line, "VmRSS: %d kB", &kb):
			now = kb << 10
		case scan(line, "VmHWM: %d kB", &kb):
			most = kb << 10
		}
	}
	return now, most
}

func scan(line, format string, n *int) bool {
	_, err := fmt.Sscanf(line, format, n)
	return err == nil
}
