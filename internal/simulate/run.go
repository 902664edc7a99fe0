package simulate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// Options are a run's parts.
type Options struct {
	URL         string // of ingest
	Cast        Cast   // known to Waybill by now
	Mix         Mix    // valid, and playable by the cast
	Weather     Weather
	Rate        int           // requests a second
	Duration    time.Duration // of the load; what is under way then is played to its end
	Seed        uint64
	Connections int
	RetryFor    time.Duration   // how long a callback that is not answered 2xx comes again
	Settle      time.Duration   // the most to wait, at the end, until everything is applied
	End         <-chan struct{} // ends the load before its duration; nil = never

	Publisher bus.Publisher // of send records
	Log       Log
	Ledger    Ledger
	Progress  func(Progress) // called every ProgressEvery; may be nil
	Say       func(string)   // what is being done; may be nil
}

// Log is what a run needs of the broker.
type Log interface {
	// Lag returns how many records router and workers have not consumed.
	Lag(ctx context.Context) (int64, error)
	// Scan reads a topic from its first record to its end.
	Scan(ctx context.Context, topic string, fn func(records []events.Record) error) error
}

// ProgressEvery is how often a run tells how it goes.
const ProgressEvery = 2 * time.Second

const (
	tick        = 5 * time.Millisecond
	mailers     = 64               // send records under way at a time
	mailTimeout = 10 * time.Second // of one attempt to publish
	retryFrom   = 200 * time.Millisecond
	retryTo     = 5 * time.Second
)

// Run plays the cast until everything was sent, waits until everything is
// applied, and compares what is on record with what was told. An error means
// that it could not be compared; differences are in the report. Options.End
// before anything is played is such an error.
func Run(ctx context.Context, o Options) (Report, error) {
	r := newRun(&o)
	began := time.Now()
	if err := r.greet(ctx); err != nil {
		return Report{}, err
	}
	r.say("playing %d requests a second for %s", o.Rate, o.Duration)
	r.play(ctx)
	if ctx.Err() != nil {
		return Report{}, fmt.Errorf("playing: %w", ctx.Err())
	}
	report := r.report(time.Since(began))
	err := r.verify(ctx, &report)
	return report, err
}

// run is one run under way.
type run struct {
	*Options
	client *Client
	model  model
	tally  tally
	began  time.Time

	mu     sync.Mutex
	agenda agenda // letters that are not due yet
	open   int    // letters that are not settled, those of the agenda among them
}

func newRun(o *Options) *run {
	return &run{Options: o, client: NewClient(o.URL, o.Connections), tally: newTally()}
}

func (r *run) say(format string, args ...any) {
	if r.Say != nil {
		r.Say(fmt.Sprintf(format, args...))
	}
}

// play begins stories at the rate and sends what is due, until all is sent.
func (r *run) play(ctx context.Context) {
	r.began = time.Now()
	defer r.client.Close()
	calls := make(chan *letter, 1<<16)
	mails := make(chan *letter, 1<<16)
	var g sync.WaitGroup
	for range r.Connections {
		g.Go(func() { each(calls, func(l *letter) { r.call(ctx, l) }) })
	}
	for range mailers {
		g.Go(func() { each(mails, func(l *letter) { r.mail(ctx, l) }) })
	}
	r.direct(ctx, calls, mails)
	close(calls)
	close(mails)
	g.Wait()
}

func each(letters <-chan *letter, fn func(*letter)) {
	for l := range letters {
		fn(l)
	}
}

// direct is the only goroutine that makes up stories and reads the agenda.
func (r *run) direct(ctx context.Context, calls, mails chan<- *letter) {
	p := r.playwright(1, greetings)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	told := r.began
	offered := 0.0
	length, end := r.Duration, r.End
	for {
		now := time.Now()
		elapsed := now.Sub(r.began)
		for due := r.due(min(elapsed, length)); offered < due; {
			letters := p.story(now)
			offered += float64(requests(letters))
			r.add(letters...)
		}
		for _, l := range r.dueBy(now) {
			if l.request != nil {
				calls <- l
			} else {
				mails <- l
			}
		}
		if now.Sub(told) >= ProgressEvery {
			told = now
			r.progress(elapsed)
		}
		if elapsed >= length && r.nothingOpen() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-end:
			length, end = min(elapsed, length), nil
		case <-ticker.C:
		}
	}
}

// due returns how many requests should have been begun after so long.
func (r *run) due(elapsed time.Duration) float64 {
	rate, s := float64(r.Rate), elapsed.Seconds()
	if r.Weather.Burst <= 1 {
		return rate * s
	}
	tens := float64(int(s) / 10)
	more := tens + min(max(s-10*tens-9, 0), 1) // seconds of bursts: the last of every ten
	return rate * (s + more*(r.Weather.Burst-1))
}

func requests(letters []*letter) (n int) {
	for _, l := range letters {
		if l.request != nil {
			n++
		}
	}
	return n
}

// add puts letters on the agenda.
func (r *run) add(letters ...*letter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open += len(letters)
	for _, l := range letters {
		l.next = l.due
		r.agenda.push(l)
	}
}

func (r *run) dueBy(now time.Time) (out []*letter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := r.agenda.first(); l != nil && !l.next.After(now); l = r.agenda.first() {
		out = append(out, r.agenda.pop())
	}
	return out
}

func (r *run) nothingOpen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open == 0
}

// settled ends a letter.
func (r *run) settled() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
}
