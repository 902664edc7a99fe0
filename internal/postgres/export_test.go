package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/messaging"
	"waybill/internal/voice"

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

// ParkUncheckedIn is ParkIn without looking whether every lock was taken: what
// must not be written.
func ParkUncheckedIn(ctx context.Context, tx pgx.Tx, p []tenantmap.Parking) ([]tenantmap.Decision, error) {
	if err := lockKeys(ctx, tx, parkingKeys(p)); err != nil && !errors.Is(err, errRace) {
		return nil, err
	}
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

// Statements of a parker and of a recorder that neither expiry nor the other
// reads before the commit.
var (
	ParkingUnseen   = []string{selectSenders, selectAccounts, selectKnownReceipts, upsertHeld, insertHeldKeys}
	RecordingUnseen = []string{selectOrgs, selectShared, selectMappings}
)

// Retryable tells whether a transaction is tried again.
func Retryable(err error) bool { return isRetryable(err) }

// SelectTransitions rebuilds status events from the timeline.
var SelectTransitions = smsMessages.replay

// ReadEmail returns an e-mail as a batch reads it.
func ReadEmail(ctx context.Context, tx pgx.Tx, org events.OrgID, id events.RowID) (email.Message, error) {
	return readRow(ctx, tx, org, id, emailMessages.lock)
}

// ReadCall returns a call as a batch reads it.
func ReadCall(ctx context.Context, tx pgx.Tx, org events.OrgID, id events.RowID) (voice.Call, error) {
	return readRow(ctx, tx, org, id, calls.lock)
}

// ReadSMS returns a message as a batch reads it.
func ReadSMS(ctx context.Context, tx pgx.Tx, org events.OrgID, id events.RowID) (messaging.Message, error) {
	return readRow(ctx, tx, org, id, smsMessages.lock)
}

func readRow[R any](ctx context.Context, tx pgx.Tx, org events.OrgID, id events.RowID, lock func(*pgx.Batch, events.OrgID, []string, func(events.RowID, R))) (R, error) {
	var row R
	err := inOrgs(ctx, tx, []events.OrgID{org}, func(org events.OrgID, b *pgx.Batch) error {
		lock(b, org, []string{string(id)}, func(_ events.RowID, r R) { row = r })
		return nil
	})
	return row, err
}

// ByKey are statements that look rows up by their keys, with their arguments' types.
var ByKey = map[string]string{
	selectMessages: "uuid, uuid[]", selectEmails: "uuid, uuid[]", selectRecipients: "uuid, uuid[]",
	selectPseudonyms: "uuid, int[], uuid[], text[]",
	selectCalls:      "uuid, uuid[]", selectRecordings: "uuid, uuid[]", selectKnown: "text[]",
	smsMessages.replay: "uuid, text[], timestamptz[]", emailMessages.replay: "uuid, text[], timestamptz[]", calls.replay: "uuid, text[], timestamptz[]",
}

// GenericPlan returns the plan that this pool's connections keep for a statement.
func (db *DB) GenericPlan(t *testing.T, statement, types string) (lines []string) {
	t.Helper()
	conn, err := db.pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "PREPARE looked("+types+") AS "+statement)
	require.NoError(t, err)
	defer func() { _, _ = conn.Exec(t.Context(), "DEALLOCATE looked") }()
	nulls := strings.TrimSuffix(strings.Repeat("NULL, ", strings.Count(types, ",")+1), ", ")
	rows, err := conn.Query(t.Context(), "EXPLAIN EXECUTE looked("+nulls+")")
	require.NoError(t, err)
	lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return lines
}

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
