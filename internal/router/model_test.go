package router_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/router/routertest"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

// backend is PostgreSQL as stories need it.
type backend struct {
	*postgres.Routing
	*postgres.ConfigFeed

	t     *testing.T
	owner *pgxpool.Pool
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	db := testkit.Database(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: config.Secret(db.URL(testkit.Router)), MaxConns: 4, Prepared: true})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return &backend{postgres.NewRouting(pool), postgres.NewConfigFeed(pool), t, db.Pool(t, testkit.Owner)}
}

func (b *backend) exec(sql string, args ...any) {
	_, err := b.owner.Exec(context.Background(), sql, args...)
	require.NoError(b.t, err)
}

func (b *backend) AddOrg(org events.OrgID) {
	b.exec("INSERT INTO organizations (id, name) VALUES ($1, 'test') ON CONFLICT DO NOTHING", org)
}

// recording does what the operators' commands do: the key is locked before and
// what waits for it is set ready after.
func (b *backend) recording(key tenantmap.Key, fn func(pgx.Tx) error) {
	err := pgx.BeginFunc(context.Background(), b.owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(context.Background(), "INSERT INTO tenant_map (key) VALUES ($1) ON CONFLICT (key) DO UPDATE SET recorded_at = now()", key.String()); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		_, err := tx.Exec(context.Background(), "UPDATE held_events SET ready = true WHERE event_id IN (SELECT event_id FROM held_keys WHERE key = $1)", key.String())
		return err
	})
	require.NoError(b.t, err)
}

const validity = "tstzrange(nullif($3, '0001-01-01T00:00:00Z'::timestamptz), nullif($4, '0001-01-01T00:00:00Z'::timestamptz))"

func (b *backend) SetAccount(name string, platform bool, tenures []tenantmap.Tenure) {
	b.recording(tenantmap.AccountKey(events.Twilio, name), func(tx pgx.Tx) error {
		ctx := context.Background()
		id := uuid.NewSHA1(uuid.Nil, []byte(name)).String()
		if _, err := tx.Exec(ctx, "INSERT INTO accounts (id, provider, name, platform) VALUES ($1, 'twilio', $2, $3) ON CONFLICT DO NOTHING", id, name, platform); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM account_orgs WHERE account_id = $1", id); err != nil {
			return err
		}
		for _, s := range tenures {
			if _, err := tx.Exec(ctx, "INSERT INTO account_orgs (account_id, org_id, valid) VALUES ($1, $2, "+validity+")", id, s.Org, s.From, s.To); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *backend) SetSender(value string, tenures []tenantmap.Tenure) {
	b.recording(tenantmap.SenderKey(value), func(tx pgx.Tx) error {
		ctx := context.Background()
		if _, err := tx.Exec(ctx, "DELETE FROM senders WHERE value = $1", value); err != nil {
			return err
		}
		for i, s := range tenures {
			slot := "int8range(NULL, NULL)"
			if s.Shared {
				slot = fmt.Sprintf("int8range(%d, %d, '[]')", i, i)
			}
			_, err := tx.Exec(ctx, "INSERT INTO senders (id, org_id, kind, value, valid, shared, slot) VALUES (gen_random_uuid(), $1, 'number', $2, "+validity+", $5, "+slot+")",
				s.Org, value, s.From, s.To, s.Shared)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *backend) Replay(id events.EventID, org events.OrgID) {
	if org != "" {
		b.exec("INSERT INTO held_assignments (event_id, org_id) VALUES ($1, $2) ON CONFLICT (event_id) DO UPDATE SET org_id = excluded.org_id", id, org)
	}
	b.exec("UPDATE held_events SET ready = true WHERE event_id = $1", id)
}

func (b *backend) Ready() []events.ReceiptID {
	rows, err := b.owner.Query(context.Background(), "SELECT receipt_id FROM held_events WHERE ready AND (lease_until IS NULL OR lease_until < now()) ORDER BY event_id")
	require.NoError(b.t, err)
	ready, err := pgx.CollectRows(rows, pgx.RowTo[events.ReceiptID])
	require.NoError(b.t, err)
	return ready
}

func (b *backend) EndLeases() {
	b.exec("UPDATE held_events SET lease_until = now() - interval '1 second' WHERE lease_until > now()")
}

func (b *backend) Held() map[events.EventID]string {
	rows, err := b.owner.Query(context.Background(), "SELECT event_id, reason FROM held_events")
	require.NoError(b.t, err)
	held := map[events.EventID]string{}
	var id events.EventID
	var reason string
	_, err = pgx.ForEachRow(rows, []any{&id, &reason}, func() error { held[id] = reason; return nil })
	require.NoError(b.t, err)
	return held
}

func (b *backend) forget() {
	b.exec("DELETE FROM held_events")
	b.exec("DELETE FROM tenant_map")
	b.exec("DELETE FROM conversations")
	b.exec("DELETE FROM held_assignments")
}

// Whatever happens in whatever order, every event ends where the world says:
// against PostgreSQL. See the package routertest.
func TestEveryEventEndsWhereItBelongs(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	var told routertest.Told
	story := 0
	rapid.Check(t, func(t *rapid.T) {
		story++
		b.forget()
		routertest.Play(t, fmt.Sprintf("story %d", story), b, 40, &told)
	})
	t.Log(&told)
}
