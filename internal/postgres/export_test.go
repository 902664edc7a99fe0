package postgres

import (
	"context"

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

// Indifferent are reads whose result is the same whenever a conversation's
// parker and recorder run them: neither writes what the other reads there.
var Indifferent = []string{selectOrgs, selectShared, selectMappings, selectSenders, selectAccounts}

// Retryable tells whether a transaction is tried again.
func Retryable(err error) bool { return isRetryable(err) }

// SelectTransitions rebuilds status events from the timeline.
const SelectTransitions = selectTransitions
