package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

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
		r.tally.accept()
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
