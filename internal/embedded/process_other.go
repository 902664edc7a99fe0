//go:build unix && !linux

package embedded

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent does nothing: only Linux can. What is left behind is stopped at
// the next start.
func dieWithParent(*syscall.SysProcAttr) {}

// isPostmaster tells whether a process is the postgres that was started for the
// data folder. A process that has ended but was not waited for has no arguments.
func isPostmaster(pid int, data string) bool {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), "/postgres -D "+data+" ")
}
