package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// However many events are held, a statement looks at a chunk of them, whether
// the rows were counted since they came or not. A million of them is the same
// as forty thousand then; `make bench-held` shows it.
func TestNoStatementReadsAllHeldEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 40_000
	w.many(t, n)
	w.exec(t, "UPDATE held_events SET retry_at = received_at") // every one is due
	w.exec(t, "INSERT INTO held_wakes (key) VALUES ('account=twilio:ACmany')")
	w.exec(t, "INSERT INTO event_ids (event_id, receipt_id, outcome, applied_at) SELECT 'x' || i, gen_random_uuid(), 'applied', now() FROM generate_series(1, 20000) i")
	const one = "resource=twilio:SM4711"
	open := func(role string) *postgres.DB {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: config(w.db.URL(role)), MaxConns: 2, Prepared: true})
		require.NoError(t, err)
		t.Cleanup(db.Close)
		return db
	}
	router, worker := open(testkit.Router), open(testkit.Worker)
	operator, readonly := w.open(t, testkit.Operator), w.open(t, testkit.ReadOnly)
	// What one chunk takes: ten thousand for those that compare, twice.
	const most = 21_000.0
	read := func(db *postgres.DB, s postgres.HeldStatement) float64 {
		rows, plan := db.RowsRead(t, s, "held_", "event_ids")
		require.Less(t, rows, most, "%s reads %.0f rows:\n%s", s.Name, rows, plan)
		return rows
	}
	look := func(name string, most float64, all []postgres.Looked) {
		require.NotEmpty(t, all, name)
		for i := range all {
			rows := all[i].Rows("held_", "event_ids")
			require.Less(t, rows, most, "%s reads %.0f rows:\n%s\n%s", name, rows, all[i].SQL, all[i].Plan)
		}
	}
	const many = "account=twilio:ACmany"
	for _, counted := range []bool{false, true} {
		if counted {
			w.exec(t, "VACUUM ANALYZE held_events, held_keys, event_ids")
		}
		for _, s := range postgres.OperatorsOnHeld(many, one, w.orgA) {
			rows := read(operator, s)
			if s.Name == "a key of one" {
				require.Less(t, rows, 10.0, s.Name)
			}
		}
		look("what is named for a trace", 10, readonly.NamedForTrace(t, "x", one))
		if counted {
			// Before, it gathers what waits for that key and sorts it: index entries,
			// which are counted behind it anyway (CountOfKey), once for a key.
			look("releasing what waits for a key", most, operator.ReleasedForKey(t, many))
		}
		for _, act := range []history.HeldAct{history.ActReplay, history.ActDismiss} {
			look("choosing of all", most, operator.Chosen(t, act, history.HeldFilter{}))
			look("choosing of a key of many", most, operator.Chosen(t, act, history.HeldFilter{Keys: []string{many}}))
			look("choosing by a reason of none", most, operator.Chosen(t, act, history.HeldFilter{Reason: "none"}))
		}
		for _, s := range postgres.RoutersOnHeld(one) {
			read(router, s)
		}
		read(worker, postgres.ExpiringHeld)
	}
	for _, s := range []postgres.HeldStatement{postgres.CountingHeld, postgres.CountingKept} {
		_, plan := router.RowsRead(t, s)
		require.Contains(t, plan, "Index Only Scan", "%s reads no record", s.Name)
	}

	// And while all of them are on their way.
	w.exec(t, "UPDATE held_events SET ready = true")
	for _, s := range postgres.RoutersOnHeld(one) {
		read(router, s)
	}
}

// While a long transaction keeps released events from being cleared, a claim
// does not pass all of them again: each did, and a million took longer with
// every hundred.
func TestRegressionAClaimDoesNotPassWhatWasReleased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many(t, 12_000)
	w.exec(t, "UPDATE held_events SET ready = true")
	old, err := w.owner.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	require.NoError(t, err)
	t.Cleanup(func() { _ = old.Rollback(context.Background()) })
	_, err = old.Exec(t.Context(), "SELECT count(*) FROM held_events")
	require.NoError(t, err)
	router := w.open(t, testkit.Router)
	routing := postgres.NewRouting(router)
	after := events.EventID("")
	for range 8 { // larger than a router's, so as to be done sooner
		claimed, err := routing.ClaimReady(t.Context(), after, 1000, time.Minute)
		require.NoError(t, err)
		claims := claimed.Claims
		require.Len(t, claims, 1000)
		ids := make([]events.EventID, len(claims))
		for i := range claims {
			ids[i] = claims[i].EventID
		}
		after = ids[len(ids)-1]
		require.NoError(t, routing.DeleteReleased(t.Context(), claimed.Token, ids))
	}
	require.Less(t, router.ClaimTouches(t, after), 1000, "a hundred events, and what leads to them")
	require.Greater(t, router.ClaimTouches(t, ""), 5000, "otherwise this shows nothing")
}
