// Package failpoint stops time between two durable steps. Router and workers
// run as processes of their own, built with the tag failpoint, over real
// PostgreSQL and the embedded broker; each test has one of them die, or halt,
// at a point of internal/failpoint, looks at what it left, and lets a successor
// go on. In the end everything must be on record as if nothing had happened.
package failpoint_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"waybill/internal/testkit"
)

// tests is how many run beside each other: they mostly wait until the broker
// misses the dead.
const tests = "8"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", tests); err != nil { // the command line comes later and wins
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testkit.Main(m, testkit.BuildTags("failpoint"))
}
