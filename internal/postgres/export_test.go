package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
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

// AskIn is what Routing.Ask does inside its transaction.
func AskIn(ctx context.Context, tx pgx.Tx, requests []tenantmap.Request) ([][]events.OrgID, error) {
	return ask(ctx, tx, requests)
}

// AskUnlockedIn is AskIn without the locks: what must not be written.
func AskUnlockedIn(ctx context.Context, tx pgx.Tx, requests []tenantmap.Request) ([][]events.OrgID, error) {
	a, err := askedOfShared(ctx, tx, requests)
	if err != nil {
		return nil, err
	}
	return a.keep(ctx, tx)
}

// Reads whose result is the same whenever they are run against the recorder of
// a conversation's send: neither side writes what the other reads there. What a
// parker leaves alone, requests, is what an asker writes.
var (
	IndifferentToAsking  = []string{selectOrgs, selectShared, selectMappings, selectSenders, selectAccounts}
	IndifferentToParking = append([]string{selectRequests}, IndifferentToAsking...)
)

// Retryable tells whether a transaction is tried again.
func Retryable(err error) bool { return isRetryable(err) }

// SelectTransitions rebuilds status events from the timeline.
const SelectTransitions = selectTransitions
