package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a database with two organisations and their accounts.
type world struct {
	db           testkit.DB
	owner        *pgxpool.Pool // sees everything
	orgA, orgB   events.OrgID
	signA, signB string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		db: testkit.Database(t), orgA: events.OrgID(uuid.NewString()), orgB: events.OrgID(uuid.NewString()),
		signA: "AC0000000000000000000000000000000a", signB: "AC0000000000000000000000000000000b",
	}
	w.owner = w.db.Pool(t, testkit.Owner)
	for org, sid := range map[events.OrgID]string{w.orgA: w.signA, w.orgB: w.signB} {
		account := uuid.NewString()
		w.exec(t, "INSERT INTO organizations (id, name) VALUES ($1, 'test')", org)
		w.exec(t, "INSERT INTO accounts (id, provider, name) VALUES ($1, 'twilio', $2)", account, sid)
		w.exec(t, "INSERT INTO account_orgs (account_id, org_id, valid) VALUES ($1, $2, tstzrange(NULL, NULL))", account, org)
	}
	return w
}

func (w *world) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := w.owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (w *world) open(t testing.TB, role string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: config(w.db.URL(role)), MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

// sid returns a message SID that ends in n.
func sid(n int) string { return fmt.Sprintf("SM%032x", n) }

// early is a status callback of org A's message n that came before its send record.
func (w *world) early(n int) tenantmap.Unsettled {
	id := events.NewEventID(events.Twilio, w.signA, events.KindMessageStatus, sid(n), "sent", "")
	ev := tenantmap.Evidence{
		Event: id, Kind: events.KindMessageStatus, Provider: events.Twilio, Signer: w.signA, ProviderID: sid(n), At: noon,
		Resources: []tenantmap.Key{tenantmap.ResourceKey(events.Twilio, sid(n))},
	}
	d := tenantmap.Decision{Outcome: events.Parked, Reason: tenantmap.ReasonNoMapping}
	return tenantmap.Unsettled{Evidence: ev, Decision: d, Held: tenantmap.Held{
		EventID: id,
		Receipt: events.NewReceiptID(), Provider: events.Twilio, Kind: events.KindMessageStatus, Signer: w.signA,
		Named: ev.Resources[0].String(), ReceivedAt: noon, Raw: events.Position{Topic: events.TopicRawTwilio}, Record: []byte{1}, Keys: ev.Keys(),
	}}
}

func (w *world) send(n int) tenantmap.Send {
	return tenantmap.Send{
		Org: w.orgA, Resource: tenantmap.ResourceKey(events.Twilio, sid(n)), Provider: events.Twilio, ProviderID: sid(n), Account: w.signA, SentAt: noon,
	}
}

// lost tells whether the event waits and nobody will ever wake it.
func (w *world) lost(t testing.TB, id events.EventID) bool {
	t.Helper()
	var lost bool
	err := w.owner.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM held_events WHERE event_id = $1 AND NOT ready)", id).Scan(&lost)
	require.NoError(t, err)
	return lost
}

// wakeAll does what a router does after a key was recorded for which very many
// events waited.
func (w *world) wakeAll(t testing.TB) (chunks int) {
	t.Helper()
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	for {
		n, err := routing.WakeHeld(t.Context())
		require.NoError(t, err)
		if n == 0 {
			return chunks
		}
		chunks++
	}
}

// hold holds an event in a state and returns its id.
func (w *world) hold(t testing.TB, n int, state events.Outcome, reason string, change func(*tenantmap.Held)) string {
	t.Helper()
	h := w.early(n).Held
	h.State, h.Reason = state, reason
	if change != nil {
		change(&h)
	}
	require.NoError(t, postgres.NewRouting(w.open(t, testkit.Router)).Hold(t.Context(), []tenantmap.Held{h}))
	return string(h.EventID)
}

// acts returns what operators did, the newest first.
func (w *world) acts(t testing.TB) []history.Act {
	t.Helper()
	all, err := operate.ListActs(t.Context(), postgres.NewHeld(w.open(t, testkit.ReadOnly)), "", time.Time{}, 10_000)
	require.NoError(t, err)
	return all
}

// do has an operator act on held events.
func do(t testing.TB, h operate.HeldEvents, o operate.Order) operate.Acted {
	t.Helper()
	done, err := operate.ChangeHeld(t.Context(), h, o, func(int) {})
	require.NoError(t, err)
	return done
}

// collect returns what a query returns, each row as a function of pgx reads it.
func collect[T any](t testing.TB, pool *pgxpool.Pool, as pgx.RowToFunc[T], sql string, args ...any) []T {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, as)
	require.NoError(t, err)
	return all
}

// pairs collects rows of two texts as a map.
func pairs(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, r := range collect(t, pool, pgx.RowToStructByPos[struct{ Key, Value string }], sql, args...) {
		all[r.Key] = r.Value
	}
	return all
}
