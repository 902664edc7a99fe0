package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// A fault of the database waits, whatever it is: none of them makes an event a
// dead letter, and behind it the same batch is applied.
func TestAnOutageIsNeverPermanent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.apply(t, d.sent(d.orgA, 1))
	batch := []events.Message{d.status(d.orgA, 1, "delivered", "", 1)}
	waits := func(t *testing.T, err error) {
		t.Helper()
		require.Error(t, err)
		require.Equal(t, fault.Unavailable, fault.ClassOf(err), "%v", err)
	}
	t.Run("nobody listens", func(t *testing.T) {
		nowhere, err := postgres.Open(t.Context(), postgres.Config{URL: config("postgres://waybill_worker:x@" + testkit.FreeAddress(t) + "/waybill")})
		require.NoError(t, err)
		defer nowhere.Close()
		_, err = postgres.NewMessages(nowhere, events.GroupWorkers).Apply(t.Context(), []bus.Fence{d.fence(1)}, batch)
		waits(t, err)
	})
	for what, end := range map[string]string{"the server goes down": "pg_terminate_backend", "the statement is cancelled": "pg_cancel_backend"} {
		t.Run(what, func(t *testing.T) {
			r := d.rival(t)
			require.NoError(t, r.do(t, lockRow, batch[0].Row))
			applied := make(chan error, 1)
			go func() {
				_, err := d.messages.Apply(t.Context(), []bus.Fence{d.fence(1)}, batch)
				applied <- err
			}()
			r.blocks(t)
			d.exec(t, "SELECT "+end+"(pid) FROM pg_stat_activity WHERE $1::int = ANY(pg_blocking_pids(pid))", r.Conn().PgConn().PID())
			waits(t, <-applied)
			require.NoError(t, r.Rollback(t.Context()))
		})
	}
	t.Run("a right is missing", func(t *testing.T) {
		d.exec(t, "REVOKE INSERT ON event_ids FROM waybill_worker")
		_, err := d.messages.Apply(t.Context(), []bus.Fence{d.fence(1)}, batch)
		waits(t, err)
		d.exec(t, "GRANT INSERT ON event_ids TO waybill_worker")
	})
	require.Equal(t, map[events.Outcome]int{events.Applied: 1}, d.apply(t, batch...).Outcomes)
}
