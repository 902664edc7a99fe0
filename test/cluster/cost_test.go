package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"waybill/internal/testkit"
)

// ticksPerSecond is the unit of /proc's times on every Linux (USER_HZ).
const ticksPerSecond = 100

// cost is how many seconds of processor time each process has taken, by part.
type cost map[string]map[int]float64

var parts = []string{"ingest", "router", "workers", "postgresql", "kafka"}

func (c cost) of(part string) (sum float64) {
	for _, seconds := range c[part] {
		sum += seconds
	}
	return sum
}

func (c cost) String() string {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = fmt.Sprintf("%s %.1f s", part, c.of(part))
	}
	return "processor time: " + strings.Join(texts, ", ")
}

// since returns what was spent after an earlier time.
func (c cost) since(earlier cost) cost {
	spent := cost{}
	for part, all := range c {
		spent[part] = map[int]float64{}
		for pid, seconds := range all {
			spent[part][pid] = seconds - earlier[part][pid]
		}
	}
	return spent
}

// costs tells what each part has taken so far; processes that have ended are
// left out, and so are connections to PostgreSQL.
func (c *cluster) costs() cost {
	spent := cost{}
	for _, part := range parts {
		spent[part] = map[int]float64{}
	}
	for part, list := range map[string][]*testkit.Process{"ingest": {c.ingest}, "router": c.routers, "workers": c.workers} {
		for _, p := range list {
			spent[part][p.PID()] = processorTime(p.PID())
		}
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a good one
	for _, stat := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
		switch {
		case strings.Contains(string(line), c.databaseDir), parentOf(pid) == c.databasePID && c.databasePID != 0:
			spent["postgresql"][pid] = processorTime(pid)
		case strings.Contains(string(line), c.broker.folder()):
			spent["kafka"][pid] = processorTime(pid)
		}
	}
	return spent
}

// fields returns those of /proc/PID/stat behind the command's name.
func fields(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil // it has ended
	}
	return strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
}

func processorTime(pid int) float64 {
	f := fields(pid)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / ticksPerSecond
}

func parentOf(pid int) int {
	f := fields(pid)
	if len(f) < 2 {
		return -1
	}
	parent, _ := strconv.Atoi(f[1])
	return parent
}

// peakMemory returns the most memory that a process has had at a time, in bytes.
func (c *cluster) peakMemory(p *testkit.Process) int64 {
	c.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	require.NoError(c.t, err)
	_, rest, found := strings.Cut(string(b), "VmHWM:")
	require.True(c.t, found, "the kernel tells no VmHWM")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	require.NoError(c.t, err)
	return kib << 10
}

// machineLoad is how many processes wanted a processor over the last 1, 5 and
// 15 minutes: figures of a machine that others use are worth little.
func machineLoad() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
