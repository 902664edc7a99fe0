package simulate

import (
	"context"
	"fmt"
	"time"

	"waybill/internal/events"
)

const lagPoll = 100 * time.Millisecond

// verify waits until everything is applied and compares it with the model.
func (r *run) verify(ctx context.Context, report *Report) error {
	r.say("everything is sent, waiting until it is applied")
	if err := r.settle(ctx, report); err != nil {
		return err
	}
	r.say("comparing %d messages and calls with the rows, counters and status topics", len(r.model.resources))
	v := &verdict{run: r, report: report, orgs: map[events.OrgID]*Tenant{}}
	for i := range r.Cast.Tenants {
		v.orgs[r.Cast.Tenants[i].Org] = &r.Cast.Tenants[i]
	}
	r.answers(report)
	for _, step := range []func(context.Context) error{v.read, v.events, v.rows, v.recipients, v.facts, v.recordings, v.held, v.counters, v.statusEvents, v.snapshots, v.subscriptions} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("comparing what is on record: %w", err)
		}
	}
	return nil
}

// settle waits until the groups have consumed everything and nothing of this
// run is parked. What is still parked in the end is found by the comparison.
func (r *run) settle(ctx context.Context, report *Report) error {
	mine := r.ids()
	r.tally.mu.Lock()
	last := r.tally.lastAt
	r.tally.mu.Unlock()
	deadline := time.Now().Add(r.Settle)
	for told := time.Now(); ; {
		lag, err := r.Log.Lag(ctx)
		parked := int64(0)
		if err == nil && lag == 0 {
			err = r.Ledger.EachHeld(ctx, func(id events.EventID, state events.Outcome) {
				if mine[id] && state == events.Parked {
					parked++
				}
			})
			if err == nil && parked == 0 {
				// What was parked a moment ago may be on its way again.
				if lag, err = r.Log.Lag(ctx); err == nil && lag == 0 {
					report.SettledAfter = max(time.Since(last).Seconds(), 0)
					return nil
				}
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline) && err != nil:
			return fmt.Errorf("asking whether everything is applied: %w", err)
		case time.Now().After(deadline):
			r.say("after %s there are still %d records to consume and %d events parked", r.Settle, lag, parked)
			report.SettledAfter = max(time.Since(last).Seconds(), 0)
			return nil
		case time.Since(told) > ProgressEvery:
			told = time.Now()
			r.say("%d records to consume, %d events parked", lag, parked)
		}
		if err := sleep(ctx, lagPoll); err != nil {
			return err
		}
	}
}

// ids returns the ids of all events that were told.
func (r *run) ids() map[events.EventID]bool {
	ids := map[events.EventID]bool{}
	for _, m := range r.model.resources {
		for _, t := range m.events {
			ids[t.id] = true
		}
		for _, t := range m.strangers {
			ids[t.id] = true
		}
	}
	return ids
}

// answers: nothing forged is taken, nothing genuine is refused, and in the end
// everything genuine was acknowledged.
func (r *run) answers(report *Report) {
	c := report.check("answers")
	for _, n := range report.Answers {
		c.compared(n)
	}
	forged, refused := r.tally.forgedTaken.Load(), r.tally.refused.Load()
	c.differs(forged, "%d forged requests were accepted", forged)
	c.differs(refused, "%d genuine requests were refused with 4xx", refused)
	c.differs(report.GaveUp, "%d letters were not acknowledged within %s", report.GaveUp, r.RetryFor)
}
