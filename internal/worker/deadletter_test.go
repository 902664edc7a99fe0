package worker_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/tenantmap"
	"waybill/internal/worker"
)

// keeper is the real ledger; it keeps nothing as often as it is told to.
type keeper struct {
	worker.Ledger
	fail int
}

func (k *keeper) Hold(ctx context.Context, f bus.Fence, held []tenantmap.Held) error {
	if k.fail > 0 {
		k.fail--
		return fault.New(fault.Unavailable, "away")
	}
	return k.Ledger.Hold(ctx, f, held)
}

// A record that can only be kept as a dead letter is not done before it is kept.
func TestADeadLetterThatCannotBeKeptHoldsItsPartition(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.worker.Ledger = &keeper{s.worker.Ledger, 1}
	p := s.open(-1)
	unreadable := events.Record{Topic: events.TopicMessages, Key: []byte("k"), Value: []byte("{"), Offset: 1}
	batch := append(s.batch(0, s.org, "SM1", "queued"), unreadable, s.record(2, s.org, "SM1", "sent"))
	require.ErrorContains(t, p.Handle(t.Context(), batch), "away")
	require.Empty(t, s.held())
	require.NoError(t, p.Handle(t.Context(), batch))
	require.Equal(t, []string{"dead wrong_type"}, s.held())
	require.NoError(t, p.Handle(t.Context(), s.batch(3, s.org, "SM1", "delivered")))
	said := s.said()
	require.Equal(t, "SM1 v3 delivered", said[len(said)-1])
}
