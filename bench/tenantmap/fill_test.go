package tenantmap_test

import (
	"crypto/md5" //nolint:gosec // makes ids that look like a provider's
	"encoding/hex"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

const (
	organizations = 1000
	fillChunk     = 500_000
)

// id returns the provider's id of the i-th mapping.
func id(i int) string {
	sum := md5.Sum([]byte(strconv.Itoa(i))) //nolint:gosec // see above
	return "SM" + hex.EncodeToString(sum[:])
}

func key(i int) tenantmap.Key { return tenantmap.ResourceKey(events.Twilio, id(i)) }

// fill makes a map of so many mappings, of a thousand organisations, and has it
// as it is between two checkpoints: its statistics known, nothing to be written.
func fill(t *testing.T, db testkit.DB, n int) *pgxpool.Pool {
	t.Helper()
	owner := db.Pool(t, testkit.Owner)
	exec := func(sql string, args ...any) {
		_, err := owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	began := time.Now()
	exec("INSERT INTO organizations (id, name) SELECT md5('org' || i)::uuid, 'bench' FROM generate_series(0, $1 - 1) i", organizations)
	exec("ALTER TABLE tenant_map DROP CONSTRAINT tenant_map_pkey, DROP CONSTRAINT tenant_map_org_id_fkey")
	for from := 0; from < n; from += fillChunk {
		exec(`INSERT INTO tenant_map (key, org_id, row_id, account, sent_at)
			SELECT 'resource=twilio:SM' || md5(i::text), md5('org' || i % $3)::uuid, md5('row' || i)::uuid, 'AC' || md5('account' || i % $3), now() - i * interval '1 millisecond'
			FROM generate_series($1::int, $2::int - 1) i`, from, min(from+fillChunk, n), organizations)
	}
	exec("ALTER TABLE tenant_map ADD PRIMARY KEY (key)")
	exec("ALTER TABLE tenant_map ADD FOREIGN KEY (org_id) REFERENCES organizations (id)")
	exec("VACUUM ANALYZE tenant_map")
	exec("CHECKPOINT")
	filled := time.Since(began)
	// Read once, as a database that has run for a while has.
	exec("SELECT count(*), max(sent_at) FROM tenant_map")
	exec("SELECT count(key) FROM (SELECT key FROM tenant_map ORDER BY key) k")
	var heap, index int64
	require.NoError(t, owner.QueryRow(t.Context(), "SELECT pg_relation_size('tenant_map'), pg_relation_size('tenant_map_pkey')").Scan(&heap, &index))
	t.Logf("%d mappings in %s: table %d MB, index %d MB", n, filled.Round(time.Second/10), heap>>20, index>>20)
	return owner
}
