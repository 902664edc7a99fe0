package nodump

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Set forbids core dumps, for good and for every child that is started later, and
// has the kernel refuse debuggers and readers of this process's memory that are not
// root. Call it before any secret is read. GOTRACEBACK=crash then ends the process without a
// file.
func Set() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core dumps: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbidding others to read this process's memory: %w", err)
	}
	return nil
}
