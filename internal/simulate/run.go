package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// Options are a run's parts.
type Options struct {
	URL         string // of ingest
	Cast        Cast   // known to Waybill by now
	Weather     Weather
	Rate        int           // requests a second
	Duration    time.Duration // of the load; what is under way then is played to its end
	Seed        uint64
	Connections int
	RetryFor    time.Duration // how long a callback that is not answered 2xx comes again
	Settle      time.Duration // the most to wait, at the end, until everything is applied

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
// that it could not be compared; differences are in the report.
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
	p := &playwright{
		cast: &r.Cast, weather: r.Weather, random: rand.New(rand.NewPCG(r.Seed, 1)), //nolint:gosec // it plays, it hides nothing
		number: uint64(len(r.Cast.Tenants)), model: &r.model,
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	told := r.began
	offered := 0.0
	for {
		now := time.Now()
		elapsed := now.Sub(r.began)
		for due := r.due(min(elapsed, r.Duration)); offered < due; {
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
		if elapsed >= r.Duration && r.nothingOpen() {
			return
		}
		select {
		case <-ctx.Done():
			return
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

// again puts a letter back that was not acknowledged, as a provider repeats
// itself: the same bytes, after a while. It gives up after RetryFor.
func (r *run) again(ctx context.Context, l *letter) {
	if ctx.Err() != nil || time.Since(l.due) > r.RetryFor {
		r.tally.gaveUp.Add(1)
		r.settled()
		return
	}
	r.tally.retries.Add(1)
	wait := min(retryFrom<<min(l.attempt, 10), retryTo)
	l.attempt++
	l.next = time.Now().Add(wait/2 + rand.N(wait)) //nolint:gosec // it plays, it hides nothing
	r.mu.Lock()
	defer r.mu.Unlock()
	r.agenda.push(l)
}

// call sends a callback and takes note of its answer.
func (r *run) call(ctx context.Context, l *letter) {
	status, err := r.client.Do(ctx, l.request)
	r.tally.answered(status, err, time.Since(l.next))
	switch {
	case err != nil || status/100 == 5:
		if !l.forged() {
			l.told.unsure.Add(1)
		}
		r.again(ctx, l)
		return
	case l.forged():
		if httpOK(status) {
			r.tally.forgedTaken.Add(1)
		}
	case httpOK(status):
		l.told.accepted.Add(1)
		r.tally.accept(l)
	default:
		r.tally.refused.Add(1)
	}
	r.settled()
}

// mail publishes a send record. A repeated attempt is the same receipt.
func (r *run) mail(ctx context.Context, l *letter) {
	try, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	if err := r.Publisher.Publish(try, *l.record); err != nil {
		if l.attempt == 0 {
			l.told.unsure.Add(1)
		}
		r.again(ctx, l)
		return
	}
	if l.attempt > 0 {
		l.told.unsure.Add(-1)
	}
	l.told.accepted.Add(1)
	r.tally.sends.Add(1)
	r.settled()
}

// greetWithin is how long the newest account may stay unknown to ingest.
const greetWithin = 30 * time.Second

// greet waits until ingest knows every account: somebody writes to each
// organisation until it is accepted.
func (r *run) greet(ctx context.Context) error {
	r.say("waiting until ingest knows %d accounts", len(r.Cast.Tenants))
	p := &playwright{cast: &r.Cast, random: rand.New(rand.NewPCG(r.Seed, 2)), model: &r.model} //nolint:gosec // it plays, it hides nothing
	deadline := time.Now().Add(greetWithin)
	for i := range r.Cast.Tenants {
		l := p.inbound(&r.Cast.Tenants[i], time.Now())[0]
		for !l.told.must() {
			status, err := r.client.Do(ctx, l.request)
			switch {
			case err == nil && httpOK(status):
				l.told.accepted.Add(1)
				continue
			case err != nil || status/100 == 5:
				l.told.unsure.Add(1)
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("the callbacks of a new account are not accepted: the last answer was %s; does ingest run at %s with this broker, a router beside it, and WAYBILL_PUBLIC_URL=%s?",
					answer(status, err), r.URL, r.Cast.Tenants[i].PublicURL)
			}
			if err := sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

func answer(status int, err error) string {
	if err != nil {
		return "none: " + err.Error()
	}
	return fmt.Sprint(status)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
