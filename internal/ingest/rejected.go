package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/provider"
)

// Bounds of the samples: enough to explain a refusal, too little to be a load.
const (
	samplesPerSecond   = 5
	samplesPerProvider = 2 // in a second, so that a scan does not hide a provider's failure
	sampleQueue        = 32
	sampleNames        = 32  // names of headers and of parameters
	samplePath         = 200 // bytes
	samplePatience     = 5 * time.Second
)

// Rejected is the body of a record on the rejected topic: what an operator
// needs to see why a request was refused. It holds no body and no value.
type Rejected struct {
	Provider events.Provider `json:"provider"`
	Kind     events.Kind     `json:"kind,omitempty"`
	Method   string          `json:"method"`
	Path     string          `json:"path"`            // segments that no path of ours has are "?"
	Query    []string        `json:"query,omitempty"` // names alone
	Headers  []string        `json:"headers,omitempty"`
	Reason   string          `json:"reason"`
	Verdict  string          `json:"verdict,omitempty"` // what differs in the spelling that would have verified
	Status   int             `json:"status"`
	At       time.Time       `json:"at"`
}

// record returns the sample as it stands on the rejected topic.
func (j *Rejected) record() (events.Record, error) {
	body, err := json.Marshal(j)
	if err != nil {
		return events.Record{}, fmt.Errorf("encoding rejected sample: %w", err)
	}
	header := func(key, value string) events.Header { return events.Header{Key: key, Value: []byte(value)} }
	return events.Record{
		Topic: events.TopicRejected, Key: []byte(j.Provider), Value: body,
		Headers: []events.Header{
			header("ce_specversion", "1.0"),
			header("ce_id", string(events.NewReceiptID())),
			header("ce_source", "waybill/ingest/"+string(j.Provider)),
			header("ce_type", events.TypeRejected),
			header("ce_time", j.At.UTC().Format("2006-01-02T15:04:05.000Z07:00")),
			header("ce_dataschema", "https://waybill.dev/schemas/"+events.TypeRejected),
			header("content-type", "application/json"),
		},
	}, nil
}

// sampler publishes a bounded part of the refused requests. It never makes a
// request wait.
type sampler struct {
	publisher bus.Publisher
	metrics   *metrics
	queue     chan *Rejected

	mu     sync.Mutex
	second int64
	total  int
	taken  map[events.Provider]int
}

func newSampler(p bus.Publisher, m *metrics) *sampler {
	return &sampler{
		publisher: p, metrics: m, queue: make(chan *Rejected, sampleQueue), taken: map[events.Provider]int{},
	}
}

// offer queues a sample of a refused request, or drops and counts it.
func (s *sampler) offer(v *visit, status int, reason string, cause error) {
	if !s.allow(v.provider(), v.at) {
		s.metrics.samples.WithLabelValues(sampleDropped).Inc()
		return
	}
	path, query, _ := strings.Cut(v.r.RequestURI, "?")
	one := &Rejected{
		Provider: v.provider(), Kind: v.kind(), Method: plainMethod(v.r.Method), Path: plainPath(path),
		Query: queryNames(query), Headers: headerNames(v.r.Header), Reason: reason, Status: status, At: events.Millis(v.at),
	}
	var other *provider.SpellingError
	if errors.As(cause, &other) {
		one.Verdict = other.How
	}
	select {
	case s.queue <- one:
	default:
		s.metrics.samples.WithLabelValues(sampleDropped).Inc()
	}
}

// allow tells whether this second has room for another sample of a provider.
func (s *sampler) allow(p events.Provider, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := at.Unix(); second != s.second {
		s.second, s.total = second, 0
		clear(s.taken)
	}
	if s.total >= samplesPerSecond || s.taken[p] >= samplesPerProvider {
		return false
	}
	s.total++
	s.taken[p]++
	return true
}

// run publishes what was queued until ctx is done.
func (s *sampler) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-s.queue:
			outcome := samplePublished
			if s.publish(ctx, one) != nil {
				outcome = sampleFailed
			}
			s.metrics.samples.WithLabelValues(outcome).Inc()
		}
	}
}

func (s *sampler) publish(ctx context.Context, one *Rejected) error {
	record, err := one.record()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, samplePatience)
	defer cancel()
	return s.publisher.Publish(ctx, record)
}

// plainMethod returns a method that is one; a word of the caller's could be anything.
func plainMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "?"
}

// plainPath keeps of a path the segments that our own have. Any other could be a
// value, a token or an address: that it is there tells enough.
func plainPath(path string) string {
	segments := strings.Split(path[:min(len(path), samplePath)], "/")
	for i, s := range segments {
		if s != "" && !ours[s] {
			segments[i] = "?"
		}
	}
	return strings.Join(segments, "/")
}

// ours are the segments of our own paths.
var ours = func() map[string]bool {
	known := map[string]bool{}
	for _, r := range routes {
		for s := range strings.SplitSeq(r.path, "/") {
			known[s] = true
		}
	}
	return known
}()

// plainName is a name that looks like one; anything else could be a value.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

func queryNames(query string) []string {
	var names []string
	for pair := range strings.SplitSeq(query, "&") {
		n, _, found := strings.Cut(pair, "=")
		if pair == "" || len(names) == sampleNames {
			continue
		}
		if !found || !plainName.MatchString(n) {
			n = "?"
		}
		names = append(names, n)
	}
	return names
}

func headerNames(h http.Header) []string {
	names := make([]string, 0, len(h))
	for n := range h {
		if plainName.MatchString(n) {
			names = append(names, strings.ToLower(n))
		}
	}
	slices.Sort(names)
	return names[:min(len(names), sampleNames)]
}
