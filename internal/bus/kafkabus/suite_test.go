package kafkabus_test

import (
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"waybill/internal/bus/bustest"
)

// TestSuite runs against the real broker whose address is in
// WAYBILL_TEST_KAFKA, otherwise against an in-process one of three nodes.
func TestSuite(t *testing.T) {
	t.Parallel()
	addr, compact := os.Getenv("WAYBILL_TEST_KAFKA"), (func())(nil)
	if addr == "" {
		broker := startBroker(t, kfake.NumBrokers(3))
		addr, compact = broker.ListenAddrs()[0], broker.Compact
	}
	bustest.Suite(t, bustest.Harness{Addr: addr, Open: open(addr), Compact: compact})
}
