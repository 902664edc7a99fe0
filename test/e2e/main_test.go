// Package e2e plays providers against a whole Waybill: callbacks go in over
// HTTP, and what became of them is read back from rows, topics and metrics.
//
// All tests share one instance, started by the first that asks. They compare
// its counters before and after and stop its database, so they run one after
// the other; only those of the single-purpose processes run beside each other, and
// apart starts those over a broker and a database of their own.
package e2e_test

import (
	"testing"

	"waybill/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Main(m, testkit.NoLeaks(), testkit.Finally(shared.close))
}
