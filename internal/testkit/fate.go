package testkit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// AwaitKilled waits until the process has ended, and wants SIGKILL to be the cause.
func (p *Process) AwaitKilled(within time.Duration) {
	p.tb.Helper()
	select {
	case <-p.exited:
	case <-time.After(within):
		require.FailNow(p.tb, "it does not die", "%s still lives after %s", p.Name, within)
	}
	var exit *exec.ExitError
	require.ErrorAs(p.tb, p.err, &exit, "%s has ended by itself: %s", p.Name, p.said.String())
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(p.tb, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%s: %s: %s", p.Name, exit, p.said.String())
}

// AwaitStopped waits until the process is halted, as SIGSTOP does.
func (p *Process) AwaitStopped(within time.Duration) {
	p.tb.Helper()
	require.Eventually(p.tb, func() bool { return p.state() == "T" || !p.Running() }, within, 5*time.Millisecond, "%s does not stop", p.Name)
	require.True(p.tb, p.Running(), "%s has ended", p.Name)
}

// state returns the kernel's letter for what the process does; "" once it is gone.
func (p *Process) state() string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	require.NoError(p.tb, err)
	_, rest, _ := strings.Cut(string(stat), ") ") // the name, in parentheses, may hold spaces
	letter, _, _ := strings.Cut(rest, " ")
	return letter
}
