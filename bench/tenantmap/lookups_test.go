package tenantmap_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/router"
	"waybill/internal/tenantmap"
)

// lookups is the router's cache over the router's store.
type lookups struct {
	*tenantmap.Cache
	batches sync.Pool // of evidence, which the router has anyway
}

// account signs every callback of the benchmark.
const account = "AC00000000000000000000000000000000"

// newLookups opens a pool as the router's process does, and a cache of the
// router's own bound. Who holds accounts is confirmed for ever.
func newLookups(tb testing.TB, url string) *lookups {
	tb.Helper()
	var c router.Config
	require.NoError(tb, config.Load(&c, config.Source{}))
	db, err := postgres.Open(tb.Context(), postgres.Config{URL: config.Secret(url), MaxConns: conns, Prepared: true})
	require.NoError(tb, err)
	tb.Cleanup(db.Close)
	l := &lookups{Cache: tenantmap.NewCache(c.CacheBytes, postgres.NewRouting(db), func() time.Time { return time.Time{} })}
	l.Confirm(1, time.Time{})
	l.batches.New = func() any {
		batch := make([]*tenantmap.Evidence, batchKeys)
		for i := range batch {
			batch[i] = &tenantmap.Evidence{
				Kind: events.KindMessageStatus, Provider: events.Twilio, Signer: account, Resources: make([]tenantmap.Key, 1),
			}
		}
		return &batch
	}
	return l
}

// Facts asks for what a batch of callbacks needs.
func (l *lookups) Facts(ctx context.Context, asked []tenantmap.Key) (tenantmap.Facts, error) {
	batch, _ := l.batches.Get().(*[]*tenantmap.Evidence)
	defer l.batches.Put(batch)
	for i, k := range asked {
		(*batch)[i].Resources[0] = k
	}
	return l.Cache.Facts(ctx, (*batch)[:len(asked)])
}

// Size returns how many entries the cache has and how large it believes to be.
func (l *lookups) Size() (entries, bytes int) { return l.Len(), l.Bytes() }
