package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopSurvivor stops a postmaster of the data folder that outlived the process
// that started it. When the folder's pid file names a living process that is
// something else, the pid was given out anew; it is returned, otherwise 0.
func stopSurvivor(ctx context.Context, data string, log *slog.Logger) (recycled int, err error) {
	pid, err := readPID(data)
	if err != nil || pid == 0 {
		return 0, err
	}
	if !isPostmaster(pid, data) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return 0, nil
		}
		return pid, nil
	}
	log.Info("stopping a private postgresql that was left behind", "pid", pid)
	for _, step := range shutdown {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return 0, fmt.Errorf("stopping the PostgreSQL that was left behind as process %d: %w", pid, err)
		}
		gone, err := awaitGone(ctx, pid, data, step.patient)
		if gone || err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("stopping the PostgreSQL that was left behind as process %d: %w", pid, errWillNotStop)
}

// awaitGone polls, because nothing tells of the end of somebody else's child.
func awaitGone(ctx context.Context, pid int, data string, patient time.Duration) (bool, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patient)
	for {
		if !isPostmaster(pid, data) {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("waiting for the PostgreSQL that was left behind: %w", ctx.Err())
		case <-late:
			return false, nil
		case <-tick.C:
		}
	}
}

// readPID returns the process id in the data folder's pid file, 0 without one.
func readPID(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading postmaster.pid: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 1 {
		return pid, nil
	}
	return 0, nil // cut short by a crash: PostgreSQL decides what to do about it
}
