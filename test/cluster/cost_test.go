package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"waybill/internal/testkit"
)

// ticksPerSecond is the unit of /proc's times on every Linux (USER_HZ).
const ticksPerSecond = 100

// costs tells how many seconds of processor time each part has taken so far.
func (c *cluster) costs() string {
	seconds := map[string]float64{}
	for name, list := range map[string][]*testkit.Process{"ingest": {c.ingest}, "router": c.routers, "workers": c.workers} {
		for _, p := range list {
			seconds[name] += processorTime(p.PID())
		}
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err.Error()
	}
	for _, stat := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
		switch {
		case strings.Contains(string(line), c.databaseDir), parentOf(pid) == c.databasePID && c.databasePID != 0:
			seconds["postgresql"] += processorTime(pid)
		case strings.Contains(string(line), c.broker.folder()):
			seconds["kafka"] += processorTime(pid)
		}
	}
	return fmt.Sprintf("processor time: ingest %.1f s, router %.1f s, workers %.1f s, postgresql %.1f s, kafka %.1f s",
		seconds["ingest"], seconds["router"], seconds["workers"], seconds["postgresql"], seconds["kafka"])
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
