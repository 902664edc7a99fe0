package tenantmap_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/postgres"
	"waybill/internal/router"
	"waybill/internal/tenantmap"
)

// lookups asks the cache and then the database, as the router does.
type lookups struct {
	cache *tenantmap.Cache
	store router.Store
}

// newLookups opens a pool as the router's process does, and a cache of the
// router's own bound.
func newLookups(tb testing.TB, url string) *lookups {
	tb.Helper()
	var c router.Config
	require.NoError(tb, config.Load(&c, config.Source{}))
	db, err := postgres.Open(tb.Context(), postgres.Config{URL: config.Secret(url), MaxConns: conns, Prepared: true})
	require.NoError(tb, err)
	tb.Cleanup(db.Close)
	return &lookups{tenantmap.NewCache(c.CacheBytes), postgres.NewRouting(db)}
}

// Facts is what the router's look-up of a batch does.
func (l *lookups) Facts(ctx context.Context, asked []tenantmap.Key) (tenantmap.Facts, error) {
	cached := map[tenantmap.Key]tenantmap.Mapping{}
	var keys []tenantmap.Key
	for _, k := range asked {
		if m, ok := l.cache.Get(k); ok {
			cached[k] = m
			continue
		}
		keys = append(keys, k)
	}
	facts, err := l.store.Lookup(ctx, keys)
	if err != nil {
		return facts, err
	}
	for k, m := range facts.Mappings {
		if !m.SentAt.IsZero() {
			l.cache.Put(k, m)
		}
	}
	for k, m := range cached {
		facts.Mappings[k] = m
	}
	return facts, nil
}

// Size returns how many entries the cache has and how large it believes to be.
func (l *lookups) Size() (entries, bytes int) { return l.cache.Len(), l.cache.Bytes() }
