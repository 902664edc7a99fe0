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
		l.unsure(1)
		r.again(ctx, l)
		return
	case l.forged():
		if httpOK(status) {
			r.tally.forgedTaken.Add(1)
		}
	case httpOK(status):
		l.accepted()
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
			l.unsure(1)
		}
		r.again(ctx, l)
		return
	}
	if l.attempt > 0 {
		l.unsure(-1)
	}
	l.accepted()
	r.tally.sends.Add(1)
	r.settled()
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
