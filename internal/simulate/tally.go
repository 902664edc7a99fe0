package simulate

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// tally counts what was answered. It is safe for concurrent use.
type tally struct {
	sends, retries, gaveUp, refused, forgedTaken atomic.Int64

	mu       sync.Mutex
	statuses map[string]int64 // answers by HTTP status; "none" where there was no answer
	accepted int64            // 2xx to genuine requests
	lastAt   time.Time        // of the last one accepted
	all      *hdrhistogram.Histogram
	lately   *hdrhistogram.Histogram // since the last progress
}

// none stands for the status of a request that was not answered.
const none = "none"

func newTally() tally {
	histogram := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, (5 * time.Minute).Microseconds(), 3) }
	return tally{statuses: map[string]int64{}, all: histogram(), lately: histogram()}
}

// answered takes note of an answer, and of how long after its time it came: a
// request that had to wait for a connection waited for Waybill.
func (t *tally) answered(status int, err error, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := none
	if err == nil {
		name = strconv.Itoa(status)
		_ = t.all.RecordValue(took.Microseconds()) // what lies above five minutes is left out
		_ = t.lately.RecordValue(took.Microseconds())
	}
	t.statuses[name]++
}

// accept takes note that a genuine request was taken.
func (t *tally) accept() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accepted++
	t.lastAt = time.Now()
}

// Latency is how long answers took, in milliseconds from when the request was due.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func latency(h *hdrhistogram.Histogram) Latency {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return Latency{ms(h.ValueAtQuantile(50)), ms(h.ValueAtQuantile(99)), ms(h.Max())}
}

// Progress is how a run goes.
type Progress struct {
	Elapsed  time.Duration
	Accepted int64            // genuine requests answered 2xx
	Answers  map[string]int64 // by status
	Waiting  int              // letters begun and not settled
	Retries  int64
	Latency  Latency // since the last progress
}

func (r *run) progress(elapsed time.Duration) {
	if r.Progress == nil {
		return
	}
	r.mu.Lock()
	waiting := r.open
	r.mu.Unlock()
	t := &r.tally
	t.mu.Lock()
	p := Progress{
		Elapsed: elapsed, Accepted: t.accepted, Answers: maps.Clone(t.statuses), Waiting: waiting,
		Retries: t.retries.Load(), Latency: latency(t.lately),
	}
	t.lately.Reset()
	t.mu.Unlock()
	r.Progress(p)
}

// cpu returns how long this process has had a processor.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
