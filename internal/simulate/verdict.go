package simulate

import (
	"context"
	"maps"

	"waybill/internal/events"
	"waybill/internal/history"
)

// verdict compares one run.
type verdict struct {
	*run
	report *Report
	orgs   map[events.OrgID]*Tenant

	found    map[rowKey]history.Row
	to       map[rowKey]map[string]history.Recipient // recipients, by address
	recorded map[rowKey]map[string]history.Recording // recordings, by the provider's id
	settled  map[events.EventID][]rowKey             // where an event stands in the timelines
	repeated map[events.EventID]int64
	heldAs   map[events.EventID]events.Outcome
	told     map[rowKey]*resource
	due      map[rowKey]outcome // what each row must say after the events that are on record
}

type rowKey struct {
	org events.OrgID
	row events.RowID
}

func (r *resource) key() rowKey { return rowKey{r.tenant.Org, r.row()} }

// read reads what is on record of this run's organisations.
func (v *verdict) read(ctx context.Context) error {
	orgs := make([]events.OrgID, 0, len(v.orgs))
	for org := range maps.Keys(v.orgs) {
		orgs = append(orgs, org)
	}
	v.found, v.settled = map[rowKey]history.Row{}, map[events.EventID][]rowKey{}
	v.to, v.recorded = map[rowKey]map[string]history.Recipient{}, map[rowKey]map[string]history.Recording{}
	v.repeated, v.heldAs = map[events.EventID]int64{}, map[events.EventID]events.Outcome{}
	err := v.Ledger.EachRow(ctx, orgs, func(r history.Row) { v.found[rowKey{r.Org, r.Row}] = r })
	if err != nil {
		return err
	}
	err = v.Ledger.EachRecipient(ctx, orgs, func(r history.RecipientRow) { put(v.to, rowKey{r.Org, r.Row}, r.Address, r.Recipient) })
	if err != nil {
		return err
	}
	err = v.Ledger.EachRecording(ctx, orgs, func(r history.RecordingRow) { put(v.recorded, rowKey{r.Org, r.Row}, r.ProviderID, r.Recording) })
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
	err = v.Ledger.EachHeld(ctx, func(id events.EventID, state events.Outcome) { v.heldAs[id] = state })
	if err != nil {
		return err
	}
	v.told, v.due = map[rowKey]*resource{}, map[rowKey]outcome{}
	for _, m := range v.model.resources {
		v.told[m.key()] = m
		if applied := v.applied(m); len(applied) > 0 {
			v.due[m.key()] = m.rules.after(applied)
		}
	}
	return nil
}

func put[T any](all map[rowKey]map[string]T, key rowKey, name string, value T) {
	if all[key] == nil {
		all[key] = map[string]T{}
	}
	all[key][name] = value
}

// applied returns the events of a resource that are on record.
func (v *verdict) applied(m *resource) (out []*told) {
	for _, t := range m.events {
		if len(v.settled[t.id]) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// events: what was acknowledged has its outcome in the right row, once; its
// repeats are counted; nothing else is on record.
func (v *verdict) events(context.Context) error {
	once, repeats := v.report.check("events applied once"), v.report.check("repeats counted")
	unknown := maps.Clone(v.settled)
	for _, m := range v.model.resources {
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

// held: what a stranger signed is quarantined, and nothing else of the run is held.
func (v *verdict) held(context.Context) error {
	quarantined, nothing := v.report.check("strangers quarantined"), v.report.check("nothing else held")
	for _, m := range v.model.resources {
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
