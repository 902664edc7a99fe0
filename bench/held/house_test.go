package held_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

// house is a database with held events, and those who work on them.
type house struct {
	t         *testing.T
	events    int
	owner     *pgxpool.Pool
	operator  *postgres.Held
	tenants   *postgres.Tenants
	routing   *postgres.Routing
	retention *postgres.Retention
	inspect   *postgres.Inspect
	org       events.OrgID // whose account signed three of the events
	parked    int          // so far by Park, for new ids
	snapshot  pgx.Tx       // old, so that nothing dead can go
	claimed   string       // token of the last claim
	claims    []events.EventID
	after     events.EventID // where it ended
}

// fill makes held events: nine of ten parked, a third of all under the key of
// one account that nobody registered; every tenth has the same reason as no
// other, one alone has another provider. Beside them stand as many events that
// are final.
const fill = `
	INSERT INTO held_events (event_id, receipt_id, state, reason, provider, kind, signer, named_key, received_at, held_at, raw_topic, raw_partition, raw_offset, record)
	SELECT 'twilio/' || signer || '/message.status/SM' || md5(i::text) || ':sent:', gen_random_uuid(),
		(ARRAY['parked', 'parked', 'parked', 'parked', 'parked', 'parked', 'parked', 'parked', 'quarantined', 'dead'])[1 + i % 10],
		CASE WHEN i = 7 THEN 'rare' ELSE (ARRAY['no_mapping', 'no_conversation'])[1 + i % 2] END, CASE WHEN i = 9 THEN 'connect' ELSE 'twilio' END,
		'message.status', signer, 'resource=twilio:SM' || md5(i::text), now() - (i % 70000) * interval '1 second', now() - (i % 70000) * interval '1 second',
		'waybill.raw.twilio.v1', i % 24, i, decode(repeat(md5(i::text), 64), 'hex')
	FROM (SELECT i, CASE WHEN i <= 3 THEN 'ACours' ELSE 'AC' || md5((i % 500)::text) END AS signer FROM generate_series(1, $1::int) i) s`

const fillKeys = `
	INSERT INTO held_keys (key, event_id)
	SELECT named_key, event_id FROM held_events
	UNION ALL SELECT 'account=twilio:' || CASE raw_offset % 3 WHEN 0 THEN 'ACmany' ELSE signer END, event_id FROM held_events`

const fillFinal = `
	INSERT INTO event_ids (event_id, receipt_id, outcome, applied_at)
	SELECT 'twilio/AC' || md5((i % 500)::text) || '/message.status/SM' || md5('final' || i) || ':sent:', gen_random_uuid(), 'applied', now() - interval '1 day'
	FROM generate_series(1, $1::int) i`

func newHouse(t *testing.T, n int) *house {
	t.Helper()
	db := testkit.Database(t)
	h := &house{t: t, events: n, owner: db.Pool(t, testkit.Owner), org: events.OrgID(uuid.NewString())}
	account := uuid.NewString()
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{"INSERT INTO organizations (id, name) VALUES ($1, 'ours')", []any{h.org}},
		{"INSERT INTO accounts (id, provider, name) VALUES ($1, 'twilio', 'ACours')", []any{account}},
		{"INSERT INTO account_orgs (account_id, org_id, valid) VALUES ($1, $2, tstzrange(NULL, NULL))", []any{account, h.org}},
		{fill, []any{n}},
		{fillKeys, nil},
		{fillFinal, []any{n}},
		{"VACUUM ANALYZE", nil},
	} {
		_, err := h.owner.Exec(t.Context(), s.sql, s.args...)
		require.NoError(t, err, s.sql)
	}
	open := func(role string, prepared bool) *postgres.DB {
		pool, err := postgres.Open(t.Context(), postgres.Config{URL: config.Secret(db.URL(role)), MaxConns: 4, Prepared: prepared})
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		return pool
	}
	operator := open(testkit.Operator, false)
	h.operator, h.tenants = postgres.NewHeld(operator), postgres.NewTenants(operator)
	h.routing = postgres.NewRouting(open(testkit.Router, true))
	h.retention = postgres.NewRetention(open(testkit.Worker, true))
	h.inspect = postgres.NewInspect(open(testkit.ReadOnly, false))
	t.Cleanup(func() {
		if h.snapshot != nil {
			_ = h.snapshot.Rollback(t.Context())
		}
	})
	return h
}

// parkings are new early callbacks of accounts that nobody registered.
func (h *house) parkings(n int) []tenantmap.Unsettled {
	all := make([]tenantmap.Unsettled, n)
	for i := range all {
		h.parked++
		sid, signer := fmt.Sprintf("SMnew%032d", h.parked), fmt.Sprintf("AC%032d", h.parked%50)
		ev := tenantmap.Evidence{
			Kind: events.KindMessageStatus, Provider: events.Twilio, Signer: signer, ProviderID: sid, At: time.Now(),
			Resources: []tenantmap.Key{tenantmap.ResourceKey(events.Twilio, sid)},
		}
		all[i] = tenantmap.Unsettled{Evidence: ev, AdoptAt: ev.At.Add(15 * time.Minute), Held: tenantmap.Held{
			EventID: events.NewEventID(events.Twilio, signer, events.KindMessageStatus, sid, "sent", ""),
			Receipt: events.NewReceiptID(), Provider: events.Twilio, Kind: events.KindMessageStatus, Signer: signer,
			Named: ev.Resources[0].String(), ReceivedAt: time.Now(), Raw: events.Position{Topic: events.TopicRawTwilio},
			Record: make([]byte, 1024), Keys: ev.Keys(),
		}}
	}
	return all
}
