package e2e_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/operate"
)

// Whatever the tests of this package have sent so far, good and bad, has one
// outcome each.
func TestEveryReceiptIsAccountedFor(t *testing.T) {
	h := open(t)
	h.good()
	a := &operate.Audit{Ledger: h.inspect, Log: h.kafka}
	require.NoError(t, a.Wait(t.Context(), patience))
	b, err := a.Run(t.Context(), time.Time{})
	require.NoError(t, err)
	require.True(t, b.Balanced, "%+v", b)
	require.Zero(t, b.InFlight)
	require.Positive(t, b.Receipts)
}
