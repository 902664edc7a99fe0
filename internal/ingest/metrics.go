package ingest

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"waybill/internal/events"
)

// Buckets in seconds: 15 is as long as Twilio waits, 150 as long as a request of
// many records may take. One publish of it takes no longer than any other.
var (
	publishBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15}
	requestBuckets = append(slices.Clone(publishBuckets), 30, 60, deliveryTime.Seconds())
)

// What became of a sample of a refused request.
const (
	samplePublished = "published"
	sampleDropped   = "dropped" // above the rate, or the queue was full
	sampleFailed    = "failed"  // the broker did not take it
)

// metrics are ingest's figures. Every label value is from a closed set and is
// there at zero from the start, so that the first event is seen as a change.
type metrics struct {
	accepted       *prometheus.CounterVec   // provider, kind
	refused        *prometheus.CounterVec   // provider, reason
	published      *prometheus.CounterVec   // topic
	samples        *prometheus.CounterVec   // outcome
	publishSeconds *prometheus.HistogramVec // provider
	requestSeconds *prometheus.HistogramVec // provider
	inflight       prometheus.Gauge
	callsRejected  prometheus.Counter
	emptyRecords   prometheus.Counter

	reasons map[events.Provider]map[string]bool // the closed set
}

func newMetrics(reg prometheus.Registerer, t table) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "waybill_ingest_" + name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "waybill_ingest_" + name, Help: help, Buckets: buckets,
		}, []string{"provider"})
	}
	m := &metrics{
		accepted:       counter("accepted_total", "Requests verified, durable and answered with success.", "provider", "kind"),
		refused:        counter("refused_total", "Requests not kept, by the reason; provider none = no provider's path was reached.", "provider", "reason"),
		published:      counter("published_total", "Raw records that the broker acknowledged.", "topic"),
		samples:        counter("rejected_samples_total", "Samples of refused requests, by what became of them.", "outcome"),
		publishSeconds: histogram("publish_seconds", "Time until the broker acknowledged a raw record, or did not.", publishBuckets),
		requestSeconds: histogram("request_seconds", "Time from a request's header to its answer.", requestBuckets),
		inflight: f.NewGauge(prometheus.GaugeOpts{
			Name: "waybill_ingest_inflight_bytes", Help: "Memory reserved for requests being served.",
		}),
		callsRejected: f.NewCounter(prometheus.CounterOpts{
			Name: "waybill_ingest_calls_rejected_total", Help: "Inbound calls turned away because no voice URL is set for the number, or several are.",
		}),
		emptyRecords: f.NewCounter(prometheus.CounterOpts{
			Name: "waybill_ingest_empty_records_total", Help: "Records of Firehose that held nothing, of requests that were accepted.",
		}),
		reasons: map[events.Provider]map[string]bool{},
	}
	m.declare(t)
	return m
}

// declare creates every series at zero.
func (m *metrics) declare(t table) {
	m.reason(nobody, nobodyReasons...)
	m.requestSeconds.WithLabelValues(string(nobody))
	for _, rt := range t {
		p := string(rt.provider)
		m.reason(rt.provider, routeReasons...)
		m.reason(rt.provider, rt.verifier.Reasons()...)
		m.accepted.WithLabelValues(p, string(rt.kind))
		for kind := range rt.also {
			m.accepted.WithLabelValues(p, string(kind))
		}
		if rt.calls {
			m.reason(rt.provider, callReasons...)
		}
		if rt.many {
			m.reason(rt.provider, deliveryReasons...)
		}
		m.published.WithLabelValues(events.RawTopic(rt.provider))
		m.publishSeconds.WithLabelValues(p)
		m.requestSeconds.WithLabelValues(p)
	}
	for _, outcome := range []string{samplePublished, sampleDropped, sampleFailed} {
		m.samples.WithLabelValues(outcome)
	}
}

func (m *metrics) reason(p events.Provider, reasons ...string) {
	if m.reasons[p] == nil {
		m.reasons[p] = map[string]bool{}
	}
	for _, r := range reasons {
		m.reasons[p][r] = true
		m.refused.WithLabelValues(string(p), r)
	}
}

// refuse counts one refused request and returns the reason it is counted
// under: one that its verifier did not declare is internal.
func (m *metrics) refuse(p events.Provider, reason string) string {
	if !m.reasons[p][reason] {
		reason = reasonInternal
	}
	m.refused.WithLabelValues(string(p), reason).Inc()
	return reason
}

// watch shows the state of the snapshot.
func (m *metrics) watch(reg prometheus.Registerer, s *Snapshot) {
	gauge := func(name, help string, value func() float64) {
		promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: "waybill_ingest_" + name, Help: help}, value)
	}
	gauge("signers", "Signers that are registered.", func() float64 { return float64(s.Stats().Signers) })
	gauge("signers_unusable", "Signers of which a secret cannot be used: requests of theirs may be answered 503 until an operator acts.",
		func() float64 { return float64(s.Stats().Unusable) })
	gauge("snapshot_age_seconds", "Time since the config topic was last read; from the start if it never was.",
		func() float64 { return s.Stats().Age.Seconds() })
}
