package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"waybill/internal/tenantmap"
)

// The bodies of transactions, for tests that drive them statement by statement.

// ParkIn is what Routing.Park does inside its transaction.
func ParkIn(ctx context.Context, tx pgx.Tx, p []tenantmap.Parking) ([]tenantmap.Decision, error) {
	return park(ctx, tx, p)
}

// ParkUnlockedIn is ParkIn without the locks: what must not be written.
func ParkUnlockedIn(ctx context.Context, tx pgx.Tx, p []tenantmap.Parking) ([]tenantmap.Decision, error) {
	return decideAndHold(ctx, tx, p)
}

// RecordIn is what Routing.RecordSends does inside its transaction.
func RecordIn(ctx context.Context, tx pgx.Tx, sends []tenantmap.Send) ([]tenantmap.Entry, int64, error) {
	return record(ctx, tx, sends)
}

// Retryable tells whether a transaction is tried again.
func Retryable(err error) bool { return isRetryable(err) }

// SelectTransitions rebuilds status events from the timeline.
const SelectTransitions = selectTransitions

// Left returns which connection of a pool of one is used next, and the
// organisation that a statement on it would be limited to.
func Left(t testing.TB, db *DB) (pid int, org string) {
	t.Helper()
	err := db.pool.QueryRow(t.Context(), "SELECT pg_backend_pid(), coalesce(current_setting('waybill.org', true), '')").Scan(&pid, &org)
	if err != nil {
		t.Fatal(err)
	}
	return pid, org
}
