package embedded

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// dieWithParent has the kernel ask for a fast shutdown when we die.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// isPostmaster tells whether a process is the postgres that was started for the
// data folder. It looks at arguments, which every user may read, and which a
// process that has ended but was not waited for no longer has.
func isPostmaster(pid int, data string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	program, _, _ := bytes.Cut(line, []byte{0})
	return bytes.HasSuffix(program, []byte("/postgres")) &&
		bytes.Contains(line, []byte("\x00-D\x00"+data+"\x00"))
}
