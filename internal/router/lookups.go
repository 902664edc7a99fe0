package router

import (
	"github.com/prometheus/client_golang/prometheus"

	"waybill/internal/tenantmap"
)

// lookups collects what the cache counts itself, by result.
type lookups struct {
	cache *tenantmap.Cache
	desc  *prometheus.Desc
}

func newLookups(cache *tenantmap.Cache) *lookups {
	const name, help = "waybill_tenantmap_lookups_total", "Keys looked up, by whether the cache had them."
	return &lookups{cache, prometheus.NewDesc(name, help, []string{"result"}, nil)}
}

// Describe implements [prometheus.Collector].
func (l *lookups) Describe(to chan<- *prometheus.Desc) { to <- l.desc }

// Collect implements [prometheus.Collector].
func (l *lookups) Collect(to chan<- prometheus.Metric) {
	hits, asked := l.cache.Counts()
	to <- prometheus.MustNewConstMetric(l.desc, prometheus.CounterValue, float64(hits), "hit")
	to <- prometheus.MustNewConstMetric(l.desc, prometheus.CounterValue, float64(asked), "miss")
}
