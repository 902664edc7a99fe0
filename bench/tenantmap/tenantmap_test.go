// Package tenantmap_test measures the router's look-ups in a map of ten million
// mappings against a program that does nothing but the query, and the memory
// that the cache takes when all of them have gone through it.
//
//	go test -v -timeout 40m ./bench/tenantmap -mappings 10000000 -targets
//
// Ratios of one run are to be compared, with nothing else on the machine; the
// parties take turns in rounds, so that what disturbs one disturbs all.
package tenantmap_test

import (
	"context"
	"flag"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

var (
	mappings = flag.Int("mappings", 8_000, "mappings in the map")
	targets  = flag.Bool("targets", false, "fail below the targets")
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	batchKeys = 500
	conns     = 12     // the router's own default
	hotKeys   = 10_000 // asked for again and again

	leastCold = 0.7 // of the bare query, every key missing
	leastHot  = 10  // of the bare query, every key cached
)

const bareQuery = `SELECT key, org_id, row_id, sent_at FROM tenant_map WHERE key = ANY($1)`

// scale is how much is measured, by the size of the map.
type scale struct{ rounds, cold, hot int }

func (scale) of(n int) scale {
	if n < 1_000_000 {
		return scale{1, 4, 8}
	}
	return scale{7, 200, 4000}
}

// sequence gives every mapping once, in no order, and then all of them again.
type sequence struct {
	next atomic.Int64
	n    int64
}

// batches returns the next batches of keys.
func (s *sequence) batches(count, size int) [][]tenantmap.Key {
	const stride = 7_368_787 // a prime that divides no size of a map
	out := make([][]tenantmap.Key, count)
	for b := range out {
		out[b] = make([]tenantmap.Key, size)
		for i := range out[b] {
			out[b][i] = key(int(s.next.Add(1) * stride % s.n))
		}
	}
	return out
}

// rate returns the keys a second with which callers get through batches.
func rate(t *testing.T, callers int, batches [][]tenantmap.Key, do func(context.Context, []tenantmap.Key) error) float64 {
	t.Helper()
	var next atomic.Int64
	g, ctx := errgroup.WithContext(t.Context())
	keys := 0
	for _, b := range batches {
		keys += len(b)
	}
	began := time.Now()
	for range callers {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(batches) {
					return nil
				}
				if err := do(ctx, batches[i]); err != nil {
					return err
				}
			}
		})
	}
	require.NoError(t, g.Wait())
	return float64(keys) / time.Since(began).Seconds()
}

// bare is the program that the look-up is compared with: the query, and its
// rows in variables.
func bare(t *testing.T, url string) func(context.Context, []string) error {
	t.Helper()
	c, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	c.MaxConns = conns
	for name, value := range map[string]string{"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"} {
		c.ConnConfig.RuntimeParams[name] = value
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return func(ctx context.Context, keys []string) error {
		rows, err := pool.Query(ctx, bareQuery, keys)
		if err != nil {
			return err
		}
		var key string
		var org, row [16]byte
		var sent time.Time
		tag, err := pgx.ForEachRow(rows, []any{&key, &org, &row, &sent}, func() error { return nil })
		if err == nil && tag.RowsAffected() != int64(len(keys)) {
			err = errMissing
		}
		return err
	}
}

func TestLookUps(t *testing.T) {
	n := *mappings
	db := testkit.Database(t)
	owner := fill(t, db, n)
	url := db.URL(testkit.Router)
	query := bare(t, url)
	cold, hot := newLookups(t, url), newLookups(t, url)
	ask := func(l *lookups) func(context.Context, []tenantmap.Key) error {
		return func(ctx context.Context, keys []tenantmap.Key) error {
			facts, err := l.Facts(ctx, keys)
			if err == nil && len(facts.Mappings) != len(keys) {
				err = errMissing
			}
			return err
		}
	}
	s := scale{}.of(n)
	all := &sequence{n: int64(n)}
	warm := all.batches(min(hotKeys, n)/batchKeys, batchKeys)
	rate(t, 4, warm, ask(hot))
	rate(t, 4, all.batches(n/20/batchKeys, batchKeys), ask(cold)) // its cache is full from here on, and throws away

	for _, callers := range []int{1, 4} {
		var bares, colds, hots, coldRatios, hotRatios []float64
		for range s.rounds {
			hottest := make([][]tenantmap.Key, s.hot)
			for i := range hottest {
				hottest[i] = warm[i%len(warm)]
			}
			texts := map[*tenantmap.Key][]string{} // made beforehand: the query takes no keys
			asked := all.batches(s.cold, batchKeys)
			for _, b := range asked {
				for _, k := range b {
					texts[&b[0]] = append(texts[&b[0]], k.String())
				}
			}
			b := rate(t, callers, asked, func(ctx context.Context, keys []tenantmap.Key) error { return query(ctx, texts[&keys[0]]) })
			c := rate(t, callers, all.batches(s.cold, batchKeys), ask(cold))
			h := rate(t, callers, hottest, ask(hot))
			bares, colds, hots = append(bares, b), append(colds, c), append(hots, h)
			coldRatios, hotRatios = append(coldRatios, c/b), append(hotRatios, h/b)
		}
		t.Logf("%d callers, keys a second: bare %.0f, cold %.0f, hot %.0f; cold/bare %.2f, hot/bare %.1f (medians of %d rounds; cold/bare %.2f)",
			callers, median(bares), median(colds), median(hots), median(coldRatios), median(hotRatios), s.rounds, coldRatios)
		if *targets {
			require.GreaterOrEqual(t, median(coldRatios), leastCold, "cold/bare, %d callers", callers)
			require.GreaterOrEqual(t, median(hotRatios), float64(leastHot), "hot/bare, %d callers", callers)
		}
	}
	t.Run("memory", func(t *testing.T) { memory(t, url, n) })
	t.Run("expiry", func(t *testing.T) { expiry(t, db, owner, n) })
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
