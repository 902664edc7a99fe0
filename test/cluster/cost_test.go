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

// cost is how many seconds of processor time each part has taken.
type cost struct{ ingest, router, workers, postgresql, kafka float64 }

func (c cost) String() string {
	return fmt.Sprintf("processor time: ingest %.1f s, router %.1f s, workers %.1f s, postgresql %.1f s, kafka %.1f s",
		c.ingest, c.router, c.workers, c.postgresql, c.kafka)
}

// since returns what was spent after an earlier time.
func (c cost) since(e cost) cost {
	return cost{c.ingest - e.ingest, c.router - e.router, c.workers - e.workers, c.postgresql - e.postgresql, c.kafka - e.kafka}
}

// costs tells what each part has taken so far; what has ended is left out.
func (c *cluster) costs() (spent cost) {
	for seconds, list := range map[*float64][]*testkit.Process{&spent.ingest: {c.ingest}, &spent.router: c.routers, &spent.workers: c.workers} {
		for _, p := range list {
			*seconds += processorTime(p.PID())
		}
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a good one
	for _, stat := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
		switch {
		case strings.Contains(string(line), c.databaseDir), parentOf(pid) == c.databasePID && c.databasePID != 0:
			spent.postgresql += processorTime(pid)
		case strings.Contains(string(line), c.broker.folder()):
			spent.kafka += processorTime(pid)
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
	b, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
