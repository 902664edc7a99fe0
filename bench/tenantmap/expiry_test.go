package tenantmap_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// expiry measures a turn of the workers at the whole map, of which one mapping
// in 256 is too old. The longest step is for how long a recorder may wait.
func expiry(t *testing.T, db testkit.DB, owner *pgxpool.Pool, n int) {
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: config.Secret(db.URL(testkit.Worker)), MaxConns: 2, Prepared: true})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	tag, err := owner.Exec(t.Context(), "UPDATE tenant_map SET recorded_at = now() - interval '91 days', sent_at = now() - interval '91 days' WHERE key LIKE '%00'")
	require.NoError(t, err)
	s := postgres.NewRetention(pool)
	var expired int64
	var longest time.Duration
	steps := 0
	began := time.Now()
	for page := int64(0); page >= 0; steps++ {
		step := time.Now()
		k, _, next, err := s.ExpireRows(t.Context(), "tenant_map", page, time.Now().Add(-90*24*time.Hour))
		require.NoError(t, err)
		longest = max(longest, time.Since(step))
		expired, page = expired+k, next
	}
	t.Logf("expiry: %d of %d mappings in %s, %d steps, the longest %s", expired, n, time.Since(began).Round(time.Millisecond), steps, longest.Round(time.Millisecond))
	require.Equal(t, tag.RowsAffected(), expired)
}
