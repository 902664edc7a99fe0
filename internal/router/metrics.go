package router

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/provider/sns"
	"waybill/internal/tenantmap"
)

// metrics are the router's figures. Those that an alarm hangs on exist at zero
// from the start.
type metrics struct {
	routed     *prometheus.CounterVec // provider
	held       *prometheus.CounterVec // provider, state
	ignored    *prometheus.CounterVec // provider, reason
	violations *prometheus.CounterVec // kind
	events     *prometheus.GaugeVec   // state
	oldest     *prometheus.GaugeVec   // state
	released   prometheus.Counter
	release    prometheus.Histogram
	unclaimed  prometheus.Counter
	lost       prometheus.Counter
	consents   prometheus.Counter
	capped     prometheus.Counter
	logBehind  prometheus.Counter

	unsubscribed *prometheus.CounterVec // provider
}

var heldStates = []events.Outcome{events.Parked, events.Quarantined, events.Dead}

// violationKinds are the ways in which evidence crosses the border between
// organisations. Any of them is worth waking somebody up.
var violationKinds = []string{tenantmap.ReasonNotEntitled, tenantmap.ReasonContradiction, tenantmap.ReasonTaken, violationSpeaker}

// violationSpeaker counts what parsers forbid: a genuine signer speaks for
// somebody else.
const violationSpeaker = "signer_mismatch"

func newMetrics(reg prometheus.Registerer, parsers []provider.Parser, cache *tenantmap.Cache, now func() time.Time) *metrics {
	m := &metrics{
		routed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_router_routed_total", Help: "Events passed on with an organisation, or globally.",
		}, []string{"provider"}),
		held: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_router_held_total", Help: "Events held, by state; an event that is held again counts again.",
		}, []string{"provider", "state"}),
		ignored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_router_ignored_total", Help: "Events final as they are, because they are about no organisation, by the reason; repeats included.",
		}, []string{"provider", "reason"}),
		unsubscribed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_router_topics_unsubscribed_total", Help: "SNS topics that said that they deliver no more. Alarm on any.",
		}, []string{"provider"}),
		violations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_org_boundary_violations_total", Help: "Events whose evidence crosses the border between organisations. Alarm on any.",
		}, []string{"kind"}),
		events: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "waybill_held_events", Help: "Events held, by state: counted exactly, every ten seconds or as often as takes a fiftieth of the time (a million: about every half minute).",
		}, []string{"state"}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "waybill_held_oldest_seconds", Help: "Age of the oldest held event when they were last counted, by state.",
		}, []string{"state"}),
		released: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_router_released_total", Help: "Held events processed anew.",
		}),
		release: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "waybill_router_release_seconds", Help: "Time from when a held event was set ready until it was processed anew.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
		unclaimed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_router_unclaimed_total", Help: "Parked events that became dead because nobody claimed them.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_router_lost_records_total", Help: "Held events whose record is gone, damaged or refused by the broker, and so cannot be replayed. Alarm on any.",
		}),
		consents: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_router_consents_total", Help: "Consent events made of a STOP or START at a shared sender, one for each further organisation that writes to the person; again with every later send.",
		}),
		capped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_router_park_capped_total", Help: "Parked events kept without their request, because their signer has too many. Alarm on any.",
		}),
		logBehind: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_router_log_behind_total", Help: "Times a partition was refused because its log ends below what was applied. Alarm on any.",
		}),
	}
	reg.MustRegister(m.routed, m.held, m.ignored, m.unsubscribed, m.violations, m.events, m.oldest, m.released, m.release, m.unclaimed, m.lost, m.consents, m.capped, m.logBehind)
	registerCache(reg, cache, now)
	providers := []events.Provider{events.Sender}
	for _, p := range parsers {
		providers = append(providers, p.Provider())
		for _, reason := range p.Ignores() {
			m.ignored.WithLabelValues(string(p.Provider()), reason)
			if reason == sns.IgnoredUnsubscribe {
				m.unsubscribed.WithLabelValues(string(p.Provider()))
			}
		}
	}
	for _, p := range providers {
		m.routed.WithLabelValues(string(p))
		for _, s := range heldStates {
			m.held.WithLabelValues(string(p), string(s))
		}
	}
	for _, s := range heldStates {
		m.events.WithLabelValues(string(s))
		m.oldest.WithLabelValues(string(s))
	}
	for _, k := range violationKinds {
		m.violations.WithLabelValues(k)
	}
	return m
}

// registerCache adds the figures that the cache keeps itself.
func registerCache(reg prometheus.Registerer, cache *tenantmap.Cache, now func() time.Time) {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	reg.MustRegister(
		newLookups(cache),
		gauge("waybill_tenantmap_cache_bytes", "About how many bytes the cache of the tenant map takes.",
			func() float64 { return float64(cache.Bytes()) }),
		gauge("waybill_tenantmap_cache_entries", "About how many keys the cache of the tenant map holds.",
			func() float64 { return float64(cache.Len()) }),
		gauge("waybill_tenantmap_config_age_seconds", "Time since accounts and senders were last confirmed; above 2 the cache does not answer for them.",
			func() float64 { return now().Sub(cache.ConfirmedAt()).Seconds() }),
	)
}

func (m *metrics) decided(p events.Provider, outcome events.Outcome, reason string) {
	if outcome == "" {
		m.routed.WithLabelValues(string(p)).Inc()
		return
	}
	if outcome == events.Ignored {
		m.ignored.WithLabelValues(string(p), reason).Inc()
		return
	}
	m.held.WithLabelValues(string(p), string(outcome)).Inc()
	if outcome == events.Quarantined && slices.Contains(violationKinds, reason) {
		m.violations.WithLabelValues(reason).Inc()
	}
}

func (m *metrics) setHeld(held []tenantmap.HeldState) {
	now := map[events.Outcome]tenantmap.HeldState{}
	for _, h := range held {
		now[h.State] = h
	}
	for _, s := range heldStates {
		m.events.WithLabelValues(string(s)).Set(float64(now[s].Events))
		m.oldest.WithLabelValues(string(s)).Set(now[s].Oldest)
	}
}
