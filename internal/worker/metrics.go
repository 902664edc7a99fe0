package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"waybill/internal/events"
)

// metrics are the workers' figures; the closed label sets exist at zero from
// the start.
type metrics struct {
	events     *prometheus.CounterVec   // domain, outcome
	duplicates *prometheus.CounterVec   // domain
	rows       *prometheus.HistogramVec // domain
	seconds    *prometheus.HistogramVec // domain
	dead       prometheus.Counter
	fenced     prometheus.Counter
	published  prometheus.Counter
	snapshots  prometheus.Counter
	logBehind  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_worker_events_total", Help: "Events with their final outcome.",
		}, []string{"domain", "outcome"}),
		duplicates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_worker_duplicates_total", Help: "Repeats of events that have their outcome, by new receipts.",
		}, []string{"domain"}),
		rows: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "waybill_worker_batch_events", Help: "Events in a transaction.",
			Buckets: []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500},
		}, []string{"domain"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "waybill_worker_apply_seconds", Help: "Time of a transaction.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"domain"}),
		dead:      counter("waybill_worker_dead_total", "Events that cannot be applied and wait as dead letters."),
		fenced:    counter("waybill_worker_fenced_total", "Batches given up because another worker owns the partition."),
		published: counter("waybill_worker_status_published_total", "Status events published, repeats included."),
		snapshots: counter("waybill_worker_snapshots_published_total", "Campaign snapshots published."),
		logBehind: counter("waybill_worker_log_behind_total", "Times a partition was refused because its log ends below what was applied. Alarm on any."),
	}
	reg.MustRegister(m.events, m.duplicates, m.rows, m.seconds)
	for _, d := range []string{"messages", "calls", "billing"} {
		m.duplicates.WithLabelValues(d)
		for _, o := range []events.Outcome{events.Applied, events.Stale, events.Ignored} {
			m.events.WithLabelValues(d, string(o))
		}
	}
	return m
}

func (m *metrics) batch(domain string, n int, took time.Duration, e events.Effect) {
	m.rows.WithLabelValues(domain).Observe(float64(n))
	m.seconds.WithLabelValues(domain).Observe(took.Seconds())
	m.duplicates.WithLabelValues(domain).Add(float64(e.Duplicates))
	for outcome, n := range e.Outcomes {
		if outcome.Final() {
			m.events.WithLabelValues(domain, string(outcome)).Add(float64(n))
		} else {
			m.dead.Add(float64(n))
		}
	}
}
