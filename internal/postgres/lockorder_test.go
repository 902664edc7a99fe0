package postgres_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// Whoever locks rows of an organisation does so in the order of their ids,
// whatever the order of the log: else two of them wait for each other. While the
// first row is somebody else's, none of those behind it is locked.
func TestRowsAreLockedInTheOrderOfTheirIDs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var rows []events.RowID
	var batch []events.Message
	for n := range 6 {
		d.apply(t, d.sent(d.orgA, n))
		rows = append(rows, row(d.orgA, n))
		batch = append(batch, d.status(d.orgA, n, "delivered", "", 1))
	}
	slices.Sort(rows)
	slices.SortFunc(batch, func(a, b events.Message) int { return slices.Index(rows, b.Row) - slices.Index(rows, a.Row) }) // the last row first
	holder, other := d.rival(t), d.rival(t)
	require.NoError(t, holder.do(t, lockRow, rows[0]))
	applied := make(chan error, 1)
	go func() {
		_, err := d.messages.Apply(t.Context(), []bus.Fence{d.fence(len(batch))}, batch)
		applied <- err
	}()
	holder.blocks(t)
	found, err := other.Query(t.Context(), "SELECT id::text FROM sms_messages ORDER BY id FOR UPDATE SKIP LOCKED")
	require.NoError(t, err)
	free, err := pgx.CollectRows(found, pgx.RowTo[events.RowID])
	require.NoError(t, err)
	require.Equal(t, rows[1:], free)
	require.NoError(t, other.Rollback(t.Context()))
	require.NoError(t, holder.Rollback(t.Context()))
	require.NoError(t, <-applied)
}
