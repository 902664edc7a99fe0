package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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
	w.exec(t, "INSERT INTO held_wakes (key) VALUES ('account=twilio:ACmany')")
	w.exec(t, "INSERT INTO event_ids (event_id, receipt_id, outcome, applied_at) SELECT 'x' || i, gen_random_uuid(), 'applied', now() FROM generate_series(1, 20000) i")
	const one = "resource=twilio:SM4711"
	open := func(role string) *postgres.DB {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: config(w.db.URL(role)), MaxConns: 2, Prepared: true})
		require.NoError(t, err)
		t.Cleanup(db.Close)
		return db
	}
	router, worker, operator := open(testkit.Router), open(testkit.Worker), w.open(t, testkit.Operator)
	// What one chunk takes: ten thousand for those that compare, twice.
	const most = 21_000
	read := func(db *postgres.DB, s postgres.HeldStatement) float64 {
		rows, plan := db.RowsRead(t, s, "held_", "event_ids")
		require.Less(t, rows, float64(most), "%s reads %.0f rows:\n%s", s.Name, rows, plan)
		return rows
	}
	for _, counted := range []bool{false, true} {
		if counted {
			w.exec(t, "VACUUM ANALYZE held_events, held_keys, event_ids")
		}
		for _, s := range postgres.OperatorsOnHeld("account=twilio:ACmany", one, w.orgA) {
			rows := read(operator, s)
			if s.Name == "a key of one" || s.Name == "named for a trace" {
				require.Less(t, rows, 10.0, s.Name)
			}
		}
		for _, s := range postgres.RoutersOnHeld(one) {
			read(router, s)
		}
		read(worker, postgres.ExpiringHeld)
	}
	_, plan := router.RowsRead(t, postgres.CountingHeld)
	require.Contains(t, plan, "Index Only Scan", "counting reads no record")

	// And while all of them are on their way.
	w.exec(t, "UPDATE held_events SET ready = true")
	for _, s := range postgres.RoutersOnHeld(one) {
		read(router, s)
	}
}
