package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/messaging"
	"waybill/internal/postgres/dbq"
	"waybill/internal/voice"

	"github.com/jackc/pgx/v5"

	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
)

// The bodies of transactions, for tests that drive them statement by statement.

// SettleIn is what Routing.Settle does inside its transaction.
func SettleIn(ctx context.Context, tx pgx.Tx, batch []tenantmap.Unsettled) ([]tenantmap.Decision, error) {
	s := settling{batch: batch, locked: map[tenantmap.Key]bool{}}
	decisions, _, err := s.run(ctx, tx)
	return decisions, err
}

// SettleUnlockedIn is SettleIn without the locks: what must not be written.
func SettleUnlockedIn(ctx context.Context, tx pgx.Tx, batch []tenantmap.Unsettled) ([]tenantmap.Decision, error) {
	s := settling{batch: batch, decisions: make([]tenantmap.Decision, len(batch))}
	if err := s.decide(ctx, tx); err != nil {
		return nil, err
	}
	return s.decisions, hold(ctx, tx, s.held())
}

// RecordIn is what Routing.RecordSends does inside its transaction.
func RecordIn(ctx context.Context, tx pgx.Tx, sends []tenantmap.Send) ([]tenantmap.Entry, int64, error) {
	return record(ctx, tx, sends)
}

// AddAccountIn is what Tenants.AddAccounts does inside its transaction.
func AddAccountIn(ctx context.Context, tx pgx.Tx, a *tenants.NewAccount) error {
	q := dbq.New(tx)
	_, err := recording(ctx, q, tenantmap.AccountKey(events.Provider(a.Provider), a.Name), func() error {
		_, err := addAccount(ctx, q, a)
		return err
	})
	return err
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

// IndifferentToAccounts are statements of a parker and of who adds an account
// that do not meet.
var IndifferentToAccounts = []string{selectMappings, "-- name: InsertAccount "}

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
