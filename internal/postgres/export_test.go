package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/history"
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

// SettleInTwoStepsIn is SettleIn with placeholders that are locked by a statement
// behind the one that makes them: what must not be written.
func SettleInTwoStepsIn(ctx context.Context, tx pgx.Tx, batch []tenantmap.Unsettled) ([]tenantmap.Decision, error) {
	s := settling{batch: batch, decisions: make([]tenantmap.Decision, len(batch))}
	var keys []string
	for i := range batch {
		for _, k := range batch[i].Evidence.Keys() {
			keys = append(keys, k.String())
		}
	}
	b := &pgx.Batch{}
	b.Queue("INSERT INTO tenant_map (key) SELECT k FROM unnest($1::text[]) AS k ORDER BY k ON CONFLICT (key) DO NOTHING", keys)
	b.Queue("SELECT key FROM tenant_map WHERE key = ANY($1) ORDER BY key FOR SHARE", keys)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, err
	}
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

// AssignIn is what Held.AssignHeld does inside its transaction, of one event.
func AssignIn(ctx context.Context, tx pgx.Tx, id events.EventID, org events.OrgID) error {
	if _, err := tx.Exec(ctx, lockHeld, []events.EventID{id}); err != nil {
		return err
	}
	q := dbq.New(tx)
	if err := q.Assign(ctx, dbq.AssignParams{Ids: []string{string(id)}, Org: string(org)}); err != nil {
		return err
	}
	return q.SetReady(ctx, []string{string(id)})
}

// IndifferentToAssigning are statements of a parker that an operator's word
// does not meet.
var IndifferentToAssigning = []string{lockPlaceholders, selectMappings, selectAccounts}

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
	IndifferentToAsking  = []string{lockHeld, selectAssigned, selectOrgs, selectRecordedWith, selectShared, selectMappings, selectSenders, selectAccounts}
	IndifferentToParking = append([]string{selectRequests}, IndifferentToAsking...)
)

// NotHeldYet are statements of a parker that meet nothing while its event is not held.
var NotHeldYet = []string{lockHeld, selectAssigned, selectOrgs, selectRecordedWith}

// IndifferentToAccounts are statements of a parker and of who adds an account
// that do not meet.
var IndifferentToAccounts = []string{lockHeld, selectAssigned, selectMappings, "-- name: InsertAccount "}

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

// HeldStatement is a statement on held events with its arguments, as SQL.
type HeldStatement struct{ Name, SQL, Types, Args, Before string }

// filtered returns a statement with a filter's conditions in it, whose
// arguments follow.
func filtered(name, format, types, args string, f history.HeldFilter) HeldStatement {
	first := make([]any, strings.Count(types, ",")+1)
	where, values := meant(&f, first)
	for _, v := range values[len(first):] {
		switch v := v.(type) {
		case []string:
			types, args = types+", text[]", args+", '{"+strings.Join(v, ",")+"}'"
		case time.Time:
			types, args = types+", timestamptz", args+", '"+v.Format(time.RFC3339)+"'"
		default:
			types, args = types+", text", args+fmt.Sprintf(", '%v'", v)
		}
	}
	return HeldStatement{name, fmt.Sprintf(format, where), types, args, forOperators}
}

const forOperators = planForValues + "; " + inOrder

// OperatorsOnHeld are the statements by which operators' filters are looked for.
func OperatorsOnHeld(many, one string, org events.OrgID) []HeldStatement {
	back := func(name string, f history.HeldFilter) HeldStatement {
		return filtered(name, lookBack, "text, timestamptz, text, timestamptz, int", "'parked', 'infinity', '', '-infinity', 5000", f)
	}
	return []HeldStatement{
		{"all in order", lookAll, "text, int", "'', 5000", forOperators},
		{"all in order, further on", lookAll, "text, int", "'twilio/AC3', 5000", forOperators},
		{"a key of one", lookKeys, "text[], text, int", "'{" + one + "}', '', 5000", forOperators},
		{"a key of many", lookKeys, "text[], text, int", "'{" + many + "}', 'twilio/AC3', 5000", forOperators},
		back("the newest", history.HeldFilter{}),
		back("a reason of none", history.HeldFilter{Reason: "none"}),
		back("a provider of none", history.HeldFilter{Provider: "none"}),
		back("an organisation", history.HeldFilter{Org: org}),
		back("a key of many, backwards", history.HeldFilter{Keys: []string{many}}),
	}
}

// RoutersOnHeld are the statements by which routers and workers go about held
// events.
func RoutersOnHeld(one string) []HeldStatement {
	return []HeldStatement{
		{"known receipts", selectKnownReceipts, "text[]", "'{a,b,c}'", ""},
		{"freeing by key", markReady, "text[]", "'{" + one + "}'", ""},
		{"waking", wakeHeld, "int", "1000", ""},
		{"claiming", claimReady, "uuid, interval, int, text, bigint", "gen_random_uuid(), '5 seconds', 100, '', 8388608", ""},
		{"claiming further on", claimReady, "uuid, interval, int, text, bigint", "gen_random_uuid(), '5 seconds', 100, 'twilio/AC3', 8388608", ""},
		{"deleting", deleteReleased, "uuid, text[]", "gen_random_uuid(), '{a,b,c}'", ""},
		{"spoiling", spoil, "uuid, text[], text[]", "gen_random_uuid(), '{a,b}', '{x,y}'", ""},
		{"removing what is final", supersedeFinal, "text, int", "'', 10000", ""},
		{"giving parked ones up", expireParked, "timestamptz, text, text[]", "'infinity', 'unclaimed', '{}'", inOrder},
		{"giving none up", expireParked, "timestamptz, text, text[]", "'-infinity', 'unclaimed', '{}'", inOrder},
		{"trying again what is due", retryDue, "timestamptz", "'infinity'", ""},
		{"trying none again", retryDue, "timestamptz", "'-infinity'", ""},
		{"locking what is parked anew", lockHeld, "text[]", "'{a,b,c}'", ""},
	}
}

// ExpiringHeld picks what retention gives up.
var ExpiringHeld = HeldStatement{"expiring", pickExpiredHeld, "timestamptz, int", "'infinity', 1000", inOrder}

// CountingHeld counts by state, CountingKept what keeps its record. They look at
// all there is, and a router makes them rare (sweepOnce); but they read an
// index, not the records.
var (
	CountingHeld = HeldStatement{"counting", countHeld, "", "", ""}
	CountingKept = HeldStatement{"counting what is kept", countKept, "", "", ""}
)

// NamedForTrace looks up what a trace tells of held events, as a trace does.
func (db *DB) NamedForTrace(t *testing.T, id string, keys ...string) []Looked {
	t.Helper()
	var e explained
	require.NoError(t, db.snapshot(t.Context(), "", false, func(tx pgx.Tx, _ *dbq.Queries) error {
		e = explained{Tx: tx, t: t}
		_, err := dbq.New(&e).HeldNamed(t.Context(), dbq.HeldNamedParams{EventID: id, Keys: keys, Most: 200})
		return err
	}))
	return e.looked
}

// Chosen has an act choose its first chunk, as an operator's command does.
func (db *DB) Chosen(t *testing.T, act history.HeldAct, f history.HeldFilter) []Looked {
	t.Helper()
	return db.undone(t, func(e *explained) error {
		_, _, err := choose(t.Context(), e, &history.HeldOrder{Act: act, Filter: f}, "")
		return err
	})
}

// ReleasedForKey releases what waits for a key, as its being recorded does.
func (db *DB) ReleasedForKey(t *testing.T, key string) []Looked {
	t.Helper()
	return db.undone(t, func(e *explained) error {
		_, err := dbq.New(e).ReleaseKey(t.Context(), dbq.ReleaseKeyParams{Key: key, Most: heldChunk})
		return err
	})
}

func (db *DB) undone(t *testing.T, fn func(*explained) error) []Looked {
	t.Helper()
	var e explained
	undo := errors.New("undo")
	require.ErrorIs(t, db.asOperator(t.Context(), "", func(tx pgx.Tx, _ *dbq.Queries) error {
		e = explained{Tx: tx, t: t}
		return errors.Join(fn(&e), undo)
	}), undo)
	return e.looked
}

// explained is a transaction that explains its queries before it runs them.
type explained struct {
	pgx.Tx
	t      *testing.T
	looked []Looked
}

// Looked is a statement that was run, and its plan.
type Looked struct {
	SQL, Plan string
	root      planNode
}

// Rows returns how many rows were read of the tables that begin with a prefix.
func (l *Looked) Rows(prefixes ...string) float64 { return l.root.rows(prefixes) }

func (e *explained) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	e.explain(ctx, sql, args)
	return e.Tx.Query(ctx, sql, args...)
}

func (e *explained) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	e.explain(ctx, sql, args)
	return e.Tx.QueryRow(ctx, sql, args...)
}

func (e *explained) explain(ctx context.Context, sql string, args []any) {
	e.t.Helper()
	l := Looked{SQL: sql}
	require.NoError(e.t, e.Tx.QueryRow(ctx, "EXPLAIN (ANALYZE, FORMAT JSON) "+sql, args...).Scan(&l.Plan), sql)
	l.root = planOf(e.t, l.Plan)
	e.looked = append(e.looked, l)
}

func planOf(t *testing.T, plan string) planNode {
	t.Helper()
	var read []struct{ Plan planNode }
	require.NoError(t, json.Unmarshal([]byte(plan), &read))
	return read[0].Plan
}

// RowsRead runs a statement in a transaction that is undone, as this pool's
// connections plan it. It returns how many rows it read of the tables that begin
// with a prefix, and its plan.
func (db *DB) RowsRead(t *testing.T, s HeldStatement, prefixes ...string) (rows float64, plan string) {
	t.Helper()
	tx, err := db.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(t.Context())) }()
	if s.Before != "" {
		_, err = tx.Exec(t.Context(), s.Before)
		require.NoError(t, err)
	}
	types, args := "", ""
	if s.Types != "" {
		types, args = "("+s.Types+")", "("+s.Args+")"
	}
	_, err = tx.Exec(t.Context(), "PREPARE looked"+types+" AS "+s.SQL)
	require.NoError(t, err, s.Name)
	defer func() { _, _ = tx.Exec(t.Context(), "DEALLOCATE looked") }()
	require.NoError(t, tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE looked"+args).Scan(&plan), s.Name)
	root := planOf(t, plan)
	return root.rows(prefixes), plan
}

// ClaimTouches returns how many blocks a claim of a hundred behind an event id
// looks at to find them.
func (db *DB) ClaimTouches(t *testing.T, after events.EventID) (blocks int) {
	t.Helper()
	tx, err := db.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(t.Context())) }()
	var plan string
	require.NoError(t, tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+claimReady, "7b2e0000-0000-4000-8000-000000000001", time.Minute, 100, after, claimBytes).Scan(&plan))
	root := planOf(t, plan)
	next := &root
	for next.Name != "CTE next" {
		i := slices.IndexFunc(next.Plans, func(n planNode) bool { return n.has("CTE next") })
		require.GreaterOrEqual(t, i, 0, plan)
		next = &next.Plans[i]
	}
	return next.Hit + next.Read
}

func (n *planNode) has(name string) bool {
	return n.Name == name || slices.ContainsFunc(n.Plans, func(c planNode) bool { return c.has(name) })
}

// planNode is a node of PostgreSQL's plan.
type planNode struct {
	Relation string     `json:"Relation Name"`
	Rows     float64    `json:"Actual Rows"`
	Loops    float64    `json:"Actual Loops"`
	Removed  float64    `json:"Rows Removed by Filter"`
	Recheck  float64    `json:"Rows Removed by Index Recheck"`
	Name     string     `json:"Subplan Name"`
	Hit      int        `json:"Shared Hit Blocks"`
	Read     int        `json:"Shared Read Blocks"`
	Plans    []planNode `json:"Plans"`
}

func (n *planNode) rows(prefixes []string) (sum float64) {
	if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(n.Relation, p) }) {
		sum = (n.Rows + n.Removed + n.Recheck) * n.Loops
	}
	for i := range n.Plans {
		sum += n.Plans[i].rows(prefixes)
	}
	return sum
}
