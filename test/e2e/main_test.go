// Package e2e plays providers against a whole Waybill: callbacks go in over
// HTTP, and what became of them is read back from rows, topics and metrics.
//
// All tests share one instance, started by the first that asks. They compare
// its counters before and after and stop its database, so they run one after
// the other; only those of the single-purpose processes run beside each other.
package e2e_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the shared instance:", err)
		code = max(code, 1)
	}
	if code == 0 { // a failed test leaves things running; its own message matters more
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
