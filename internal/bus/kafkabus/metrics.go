package kafkabus

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// The classes of a failed publish.
const (
	classUnavailable = "unavailable" // the cluster did not acknowledge in time
	classRefused     = "refused"     // the broker or we rejected the record itself
)

type metrics struct {
	published     *prometheus.CounterVec   // topic
	publishFailed *prometheus.CounterVec   // topic, class
	retried       *prometheus.CounterVec   // topic
	requestTime   *prometheus.HistogramVec // topic
	requestSize   *prometheus.HistogramVec // topic
	queued        prometheus.Gauge

	handled      *prometheus.CounterVec // topic
	handleFailed *prometheus.CounterVec // topic
	lagRecords   *prometheus.GaugeVec   // topic, partition
	lagSeconds   *prometheus.GaugeVec   // topic, partition
	lost         *prometheus.CounterVec // topic, partition
	halted       *prometheus.GaugeVec   // topic, partition
	stuck        *prometheus.CounterVec // topic, partition
	generations  prometheus.Counter
	groupFailed  prometheus.Counter
	commitFailed prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	r := registrar{reg: reg}
	latency := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	m := &metrics{
		published:     r.counter("published_records_total", "Records that every in-sync replica acknowledged.", "topic"),
		publishFailed: r.counter("publish_failed_records_total", "Records that were not acknowledged.", "topic", "class"),
		retried:       r.counter("produce_retries_total", "Produce requests that failed and were sent again.", "topic"),
		requestTime:   r.histogram("produce_seconds", "Time of a produce request, retries apart.", latency, "topic"),
		requestSize:   r.histogram("produce_records", "Records in one produce request.", prometheus.ExponentialBuckets(1, 4, 7), "topic"),
		queued:        r.gauge("queued_bytes", "Bytes that wait for the cluster's acknowledgement.").WithLabelValues(),

		handled:      r.counter("handled_records_total", "Records that were handled.", "topic"),
		handleFailed: r.counter("handle_failures_total", "Batches that failed and came again.", "topic"),
		lagRecords:   r.gauge("lag_records", "Records between the position and the end of the log.", "topic", "partition"),
		lagSeconds:   r.gauge("lag_seconds", "Age of the oldest record not yet handled, as of the last attempt.", "topic", "partition"),
		lost:         r.counter("lost_records_total", "Offsets that retention took before they were handled.", "topic", "partition"),
		halted:       r.gauge("partition_halted", "1 while a partition is not read because the log ends below our position.", "topic", "partition"),
		stuck:        r.counter("partition_stuck_total", "Generations ended because a partition could not be read.", "topic", "partition"),
		generations:  r.counter("generations_total", "Generations joined.").WithLabelValues(),
		groupFailed:  r.counter("group_failures_total", "Attempts to join the group that failed.").WithLabelValues(),
		commitFailed: r.counter("commit_failures_total", "Commits that failed.").WithLabelValues(),
	}
	return m, r.err
}

// initTopic creates the counters of a topic at zero: a counter that is born at
// one hides its first event.
func (m *metrics) initTopic(topic string) {
	for _, vec := range []*prometheus.CounterVec{m.published, m.retried, m.handled, m.handleFailed} {
		vec.WithLabelValues(topic)
	}
	m.publishFailed.WithLabelValues(topic, classUnavailable)
	m.publishFailed.WithLabelValues(topic, classRefused)
}

func (m *metrics) initPartition(tp topicPartition) {
	m.lost.WithLabelValues(tp.labels()...)
	m.stuck.WithLabelValues(tp.labels()...)
	m.halted.WithLabelValues(tp.labels()...).Set(0)
}

// forgetPartition drops the gauges of a partition that another member reads now.
func (m *metrics) forgetPartition(tp topicPartition) {
	m.lagRecords.DeleteLabelValues(tp.labels()...)
	m.lagSeconds.DeleteLabelValues(tp.labels()...)
	m.halted.WithLabelValues(tp.labels()...).Set(0)
}

func (tp topicPartition) labels() []string {
	return []string{tp.topic, strconv.Itoa(tp.partition)}
}

// registrar registers collectors, or finds those that an earlier client of the
// process registered: several may share one registry.
type registrar struct {
	reg prometheus.Registerer
	err error
}

const prefix = "waybill_kafka_"

func (r *registrar) counter(name, help string, labels ...string) *prometheus.CounterVec {
	return register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels))
}

func (r *registrar) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labels))
}

func (r *registrar) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, labels))
}

func register[C prometheus.Collector](r *registrar, c C) C {
	if r.reg == nil {
		return c
	}
	err := r.reg.Register(c)
	var twice prometheus.AlreadyRegisteredError
	if errors.As(err, &twice) {
		if earlier, ok := twice.ExistingCollector.(C); ok {
			return earlier
		}
	}
	r.err = errors.Join(r.err, err)
	return c
}
