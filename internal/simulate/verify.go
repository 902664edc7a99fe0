package simulate

import (
	"context"
	"fmt"
	"maps"
	"time"

	"waybill/internal/events"
	"waybill/internal/history"
)

const lagPoll = 100 * time.Millisecond

// verify waits until everything is applied and compares it with the model.
func (r *run) verify(ctx context.Context, report *Report) error {
	r.say("everything is sent, waiting until it is applied")
	if err := r.settle(ctx, report); err != nil {
		return err
	}
	r.say("comparing %d messages with the rows, counters and status topics", len(r.model.messages))
	v := &verdict{run: r, report: report, orgs: map[events.OrgID]*Tenant{}}
	for i := range r.Cast.Tenants {
		v.orgs[r.Cast.Tenants[i].Org] = &r.Cast.Tenants[i]
	}
	r.answers(report)
	for _, step := range []func(context.Context) error{v.read, v.events, v.rows, v.held, v.counters, v.statusEvents, v.snapshots, v.subscriptions} {
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
	for _, m := range r.model.messages {
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

// verdict compares one run.
type verdict struct {
	*run
	report *Report
	orgs   map[events.OrgID]*Tenant

	found    map[rowKey]history.MessageRow
	settled  map[events.EventID][]rowKey // where an event stands in the timelines
	repeated map[events.EventID]int64
	heldAs   map[events.EventID]events.Outcome
	told     map[rowKey]*message
}

type rowKey struct {
	org events.OrgID
	row events.RowID
}

func (m *message) key() rowKey { return rowKey{m.tenant.Org, m.row()} }

// read reads what is on record of this run's organisations.
func (v *verdict) read(ctx context.Context) error {
	orgs := make([]events.OrgID, 0, len(v.orgs))
	for org := range maps.Keys(v.orgs) {
		orgs = append(orgs, org)
	}
	v.found, v.settled = map[rowKey]history.MessageRow{}, map[events.EventID][]rowKey{}
	v.repeated, v.heldAs = map[events.EventID]int64{}, map[events.EventID]events.Outcome{}
	err := v.Ledger.EachMessage(ctx, orgs, func(m history.MessageRow) { v.found[rowKey{m.Org, m.Row}] = m })
	if err != nil {
		return err
	}
	err = v.Ledger.EachEvent(ctx, orgs, func(e history.TimelineEntry) {
		v.settled[e.Event] = append(v.settled[e.Event], rowKey{e.Org, e.Row})
	})
	if err != nil {
		return err
	}
	err = v.Ledger.EachRepeat(ctx, v.began.Add(-greetWithin), func(id events.EventID, n int64) { v.repeated[id] += n })
	if err != nil {
		return err
	}
	return v.Ledger.EachHeld(ctx, func(id events.EventID, state events.Outcome) { v.heldAs[id] = state })
}

// events: what was acknowledged has its outcome in the right row, once; its
// repeats are counted; nothing else is on record.
func (v *verdict) events(context.Context) error {
	once, repeats := v.report.check("events applied once"), v.report.check("repeats counted")
	unknown := maps.Clone(v.settled)
	for _, m := range v.model.messages {
		for _, t := range m.events {
			delete(unknown, t.id)
			at := v.settled[t.id]
			once.compared(1)
			switch {
			case len(at) == 0 && t.must() && v.heldAs[t.id] != "":
				once.differs(1, "%s was acknowledged and is %s", t.id, v.heldAs[t.id])
			case len(at) == 0 && t.must():
				once.differs(1, "%s was acknowledged and is lost", t.id)
			case len(at) > 1:
				once.differs(1, "%s was applied %d times", t.id, len(at))
			case len(at) == 1 && !t.may():
				once.differs(1, "%s was never sent and is on record", t.id)
			case len(at) == 1 && at[0] != m.key():
				once.differs(1, "%s was applied to another row", t.id)
			}
			least, most := t.repeats()
			repeats.compared(least)
			if n := v.repeated[t.id]; n < least || n > most {
				repeats.differs(1, "%s: %d on record, between %d and %d were sent", t.id, n, least, most)
			}
		}
	}
	for id := range unknown {
		once.differs(1, "%s is on record and nobody sent it", id)
	}
	return nil
}

// rows: every message says what its events come to, in its organisation and
// campaign; no other row exists.
func (v *verdict) rows(context.Context) error {
	c := v.report.check("rows")
	v.told = map[rowKey]*message{}
	unknown := maps.Clone(v.found)
	for _, m := range v.model.messages {
		key := m.key()
		v.told[key] = m
		delete(unknown, key)
		applied := v.applied(m)
		have, exists := v.found[key]
		c.compared(1)
		if len(applied) == 0 {
			if exists {
				c.differs(1, "row %s exists without an event", key.row)
			}
			continue
		}
		status, code := settle(applied)
		switch {
		case !exists:
			c.differs(1, "row %s is missing", key.row)
		case have.Status != status || have.ErrorCode != code:
			c.differs(1, "row %s is %s %s, not %s %s", key.row, have.Status, have.ErrorCode, status, code)
		case have.CampaignID != m.campaign:
			c.differs(1, "row %s belongs to campaign %q, not %q", key.row, have.CampaignID, m.campaign)
		case have.Direction != m.direction:
			c.differs(1, "row %s is %s", key.row, have.Direction)
		}
	}
	for key := range unknown {
		c.differs(1, "row %s exists in organisation %s and nobody sent it", key.row, key.org)
	}
	return nil
}

// applied returns the events of a message that are on record.
func (v *verdict) applied(m *message) (out []*told) {
	for _, t := range m.events {
		if len(v.settled[t.id]) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// held: what a stranger signed is quarantined, and nothing else of the run is held.
func (v *verdict) held(context.Context) error {
	quarantined, nothing := v.report.check("strangers quarantined"), v.report.check("nothing else held")
	for _, m := range v.model.messages {
		for _, t := range m.strangers {
			quarantined.compared(1)
			if state := v.heldAs[t.id]; t.must() && state != events.Quarantined {
				quarantined.differs(1, "%s is %q", t.id, state)
			}
		}
		for _, t := range m.events {
			nothing.compared(1)
			if state, held := v.heldAs[t.id]; held {
				nothing.differs(1, "%s is %s", t.id, state)
			}
		}
	}
	return nil
}
