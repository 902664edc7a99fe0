// Package isolation_test measures what the walls between organisations cost: the
// statements that lock and write a batch's messages, under row-level security
// and without it, an organisation at a time and all of them at once.
//
//	go test -run '^$' -bench . -benchtime 3s ./bench/isolation
//
// Every variant writes the same rows of the same table; the figures of one run
// are to be compared with each other only.
package isolation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	batchRows = 500
	tableRows = 200_000 // shared by the organisations
)

const (
	lockOne = `
		SELECT m.* FROM unnest($2::uuid[]) AS k(row_id)
		CROSS JOIN LATERAL (SELECT id, status, version FROM sms_messages WHERE org_id = $1 AND id = k.row_id OFFSET 0 FOR UPDATE) AS m`
	writeOne = `
		UPDATE sms_messages m SET status = 'delivered', version = m.version + 1, updated_at = now()
		FROM unnest($2::uuid[]) AS k(row_id) WHERE m.org_id = $1 AND m.id = k.row_id`
	lockMany = `
		SELECT m.* FROM unnest($1::uuid[], $2::uuid[]) AS k(org, row_id)
		CROSS JOIN LATERAL (SELECT id, status, version FROM sms_messages WHERE org_id = k.org AND id = k.row_id OFFSET 0 FOR UPDATE) AS m`
	writeMany = `
		UPDATE sms_messages m SET status = 'delivered', version = m.version + 1, updated_at = now()
		FROM unnest($1::uuid[], $2::uuid[]) AS k(org, row_id) WHERE m.org_id = k.org AND m.id = k.row_id`
	// The alternatives to comparing one organisation: all of a batch at once,
	// looked for in an array, or in a hash table that each statement makes.
	arrayPolicy = `
		DROP POLICY one_org ON sms_messages;
		CREATE POLICY many_orgs ON sms_messages TO waybill_worker
		USING (org_id = ANY ((SELECT string_to_array(nullif(current_setting('waybill.orgs', true), ''), ','))::uuid[]))
		WITH CHECK (org_id = ANY ((SELECT string_to_array(nullif(current_setting('waybill.orgs', true), ''), ','))::uuid[]))`
	hashPolicy = `
		DROP POLICY one_org ON sms_messages;
		CREATE POLICY many_orgs ON sms_messages TO waybill_worker
		USING (org_id IN (SELECT unnest(string_to_array(nullif(current_setting('waybill.orgs', true), ''), ','))::uuid))
		WITH CHECK (org_id IN (SELECT unnest(string_to_array(nullif(current_setting('waybill.orgs', true), ''), ','))::uuid))`
)

// message is a row, by its key.
type message struct{ org, id string }

// table fills sms_messages with messages of so many organisations.
func table(b *testing.B, owner *pgxpool.Pool, orgs int) []message {
	b.Helper()
	ctx := b.Context()
	_, err := owner.Exec(ctx, "INSERT INTO organizations (id, name) SELECT gen_random_uuid(), 'o' FROM generate_series(1, $1)", orgs)
	require.NoError(b, err)
	_, err = owner.Exec(ctx, `
		INSERT INTO sms_messages (org_id, id, provider, provider_id, channel, direction, origin, status, version, reached, received_at, last_at)
		SELECT o.id, gen_random_uuid(), 'twilio', 'SM' || n, 'sms', 'outbound', 'send', 'sent', 1, 1, now(), now()
		FROM organizations o, generate_series(1, $1) n`, tableRows/orgs)
	require.NoError(b, err)
	_, err = owner.Exec(ctx, "VACUUM ANALYZE sms_messages")
	require.NoError(b, err)
	rows, err := owner.Query(ctx, "SELECT org_id::text, id::text FROM sms_messages")
	require.NoError(b, err)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m message, err error) { return m, row.Scan(&m.org, &m.id) })
	require.NoError(b, err)
	return all
}

// draw returns a batch of rows in the order in which they are locked.
func draw(r *rand.Rand, all []message) []message {
	seen := map[message]bool{}
	batch := make([]message, 0, batchRows)
	for len(batch) < batchRows {
		if m := all[r.IntN(len(all))]; !seen[m] {
			seen[m] = true
			batch = append(batch, m)
		}
	}
	slices.SortFunc(batch, func(a, b message) int { return strings.Compare(a.org+a.id, b.org+b.id) })
	return batch
}

// byOrg is what the workers do: each organisation's statements behind the
// setting that limits them to it, all in one pipeline for each step.
func byOrg(ctx context.Context, tx pgx.Tx, batch []message) error {
	for _, statement := range []string{lockOne, writeOne} {
		b := &pgx.Batch{}
		for first := 0; first < len(batch); {
			org, ids := batch[first].org, []string{}
			for first < len(batch) && batch[first].org == org {
				ids = append(ids, batch[first].id)
				first++
			}
			b.Queue("SELECT set_config('waybill.org', $1, true)", org)
			b.Queue(statement, org, ids)
		}
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
	}
	return nil
}

// atOnce names all organisations of the batch to the policy, and then to each statement.
func atOnce(ctx context.Context, tx pgx.Tx, batch []message) error {
	orgs, ids, distinct := make([]string, len(batch)), make([]string, len(batch)), []string{}
	for i, m := range batch {
		orgs[i], ids[i] = m.org, m.id
		if i == 0 || m.org != batch[i-1].org {
			distinct = append(distinct, m.org)
		}
	}
	b := &pgx.Batch{}
	b.Queue("SELECT set_config('waybill.orgs', $1, true)", strings.Join(distinct, ","))
	b.Queue(lockMany, orgs, ids)
	b.Queue(writeMany, orgs, ids)
	return tx.SendBatch(ctx, b).Close()
}

func BenchmarkBatch(b *testing.B) {
	for _, orgs := range []int{1, 50, 1000} {
		for _, v := range []struct {
			name   string
			role   string // the owner is a superuser: no policy holds it
			policy string
			apply  func(context.Context, pgx.Tx, []message) error
		}{
			{"org_by_org/secured", testkit.Worker, "", byOrg},
			{"org_by_org/unsecured", testkit.Owner, "", byOrg},
			{"all_at_once/secured_array", testkit.Worker, arrayPolicy, atOnce},
			{"all_at_once/secured_hash", testkit.Worker, hashPolicy, atOnce},
			{"all_at_once/unsecured", testkit.Owner, "", atOnce},
		} {
			b.Run(fmt.Sprintf("orgs=%d/%s", orgs, v.name), func(b *testing.B) {
				db := testkit.Database(b)
				owner := db.Pool(b, testkit.Owner)
				all := table(b, owner, orgs)
				if v.policy != "" {
					_, err := owner.Exec(b.Context(), v.policy)
					require.NoError(b, err)
				}
				pool := prepared(b, db.URL(v.role))
				r := rand.New(rand.NewPCG(1, uint64(orgs))) //nolint:gosec // a fixed draw
				rows, touched := 0, map[string]bool{}
				for b.Loop() {
					batch := draw(r, all)
					require.NoError(b, pgx.BeginFunc(b.Context(), pool, func(tx pgx.Tx) error { return v.apply(b.Context(), tx, batch) }))
					rows += len(batch)
				}
				for _, m := range draw(r, all) {
					touched[m.org] = true
				}
				b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
				b.ReportMetric(float64(len(touched)), "orgs/batch")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// prepared plans as the workers' pool does.
func prepared(b *testing.B, url string) *pgxpool.Pool {
	b.Helper()
	config, err := pgxpool.ParseConfig(url)
	require.NoError(b, err)
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	config.ConnConfig.RuntimeParams["jit"] = "off"
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	return pool
}
