package router

import (
	"context"
	"log/slog"

	"waybill/internal/events"
	"waybill/internal/failpoint"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/tenantmap"
)

// item is one raw record on its way to a decision.
type item struct {
	rec    *events.Record
	raw    events.Raw
	parsed provider.Parsed
	id     events.EventID
	fault  error // of its parser
	tenantmap.Decision
}

// route decides for a batch of raw records and passes them on.
func (r *Router) route(ctx context.Context, records []events.Record) error {
	items := make([]item, len(records))
	for i := range records {
		items[i] = r.parse(&records[i])
	}
	if err := r.decide(ctx, items); err != nil {
		return err
	}
	if err := r.settle(ctx, items); err != nil {
		return err
	}
	if err := r.forward(ctx, items); err != nil {
		return err
	}
	return r.ignore(ctx, items) // last, since it counts and alarms: a batch that fails before it is tried again
}

// parse reads one record. Whatever is wrong with it becomes a dead letter
// under an id of its own, so that its neighbours go on.
func (r *Router) parse(rec *events.Record) (it item) {
	it.rec = rec
	defer func() {
		if p := recover(); p != nil {
			r.Log.Error("a parser panicked, the record becomes a dead letter", "topic", rec.Topic, "partition", rec.Partition, "offset", rec.Offset)
			it.fault = fault.New(fault.Invalid, "parser_panic")
		}
		if it.id == "" {
			it.id = events.NewEventID(it.raw.Provider, it.raw.Signer, it.raw.Kind, "receipt", string(it.raw.Receipt))
		}
	}()
	it.raw, it.fault = events.DecodeRaw(rec)
	if it.fault != nil {
		it.raw = events.Raw{Receipt: events.ReceiptOf(rec), Provider: providerUnknown, Kind: "unknown", ReceivedAt: rec.Time.UTC()}
		return it
	}
	r.uses.note(&it.raw)
	p, ok := r.parsers[it.raw.Provider]
	if !ok {
		it.fault = fault.New(fault.Invalid, "unknown_provider")
		return it
	}
	it.parsed, it.fault = p.Parse(&it.raw)
	it.id = it.parsed.EventID
	ev := &it.parsed.Evidence
	ev.Event, ev.Kind = it.id, it.raw.Kind
	ev.Aged = r.Now().Sub(it.raw.ReceivedAt) >= r.Config.AdoptAfter
	return it
}

// global tells whether the event belongs to no organisation by its nature.
func (it *item) global() bool { return it.parsed.Billing != nil || it.parsed.Ignored != "" }

// unusable is how an event is held that its parser refused. No organisation is
// sought for it: one whose signer speaks for somebody else must not become the
// other's because the evidence in it is good.
func (it *item) unusable() tenantmap.Decision {
	d := tenantmap.Decision{Outcome: events.Dead, Reason: fault.ReasonOf(it.fault)}
	if fault.ClassOf(it.fault).Fate().Action == fault.Quarantine {
		d.Outcome = events.Quarantined
	}
	return d
}

// decide resolves what has evidence, in one look-up for the batch.
func (r *Router) decide(ctx context.Context, items []item) error {
	var batch []*tenantmap.Evidence
	for i := range items {
		if it := &items[i]; it.fault == nil && !it.global() {
			batch = append(batch, &it.parsed.Evidence)
		}
	}
	facts, err := r.cache.Facts(ctx, batch)
	if err != nil {
		return err
	}
	for i := range items {
		it := &items[i]
		switch {
		case it.fault != nil:
			it.Decision = it.unusable()
		case it.parsed.Ignored != "":
			it.Decision = tenantmap.Decision{Outcome: events.Ignored, Reason: it.parsed.Ignored}
		case !it.global():
			it.Decision = tenantmap.Resolve(&it.parsed.Evidence, &facts)
		}
	}
	return nil
}

// settle decides anew, under the locks of its keys, what does not go on as far
// as is known, and what enters an id in the map. What still has no organisation
// is held; so is what its parser refused.
func (r *Router) settle(ctx context.Context, items []item) error {
	var batch []tenantmap.Unsettled
	var unsettled []*item
	var unusable []tenantmap.Held
	for i := range items {
		it := &items[i]
		switch {
		case it.fault != nil:
			unusable = append(unusable, it.held())
		case it.Outcome == events.Ignored:
		// A quarantined event goes the same way as a parked one: the account or
		// number that would entitle its signer may be recorded at this moment.
		case it.Outcome != "", it.Enter:
			batch = append(batch, tenantmap.Unsettled{
				Held: it.held(), Evidence: it.parsed.Evidence, Decision: it.Decision, AdoptAt: it.raw.ReceivedAt.Add(r.Config.AdoptAfter),
			})
			unsettled = append(unsettled, it)
		}
	}
	r.caps.reserve(batch)
	decisions, ready, err := r.Store.Settle(ctx, batch)
	r.caps.settled(batch, decisions)
	if err != nil {
		return err
	}
	r.wake(ready)
	for i, d := range decisions {
		unsettled[i].Decision = d
	}
	if err := r.Store.Hold(ctx, unusable); err != nil {
		return err
	}
	for i := range items {
		if it := &items[i]; it.Outcome != events.Ignored { // those are not durable yet
			r.observe(it)
		}
	}
	return nil
}

// held returns the event in the form in which it waits.
func (it *item) held() tenantmap.Held {
	h := tenantmap.Held{
		EventID: it.id, Receipt: it.raw.Receipt, State: it.Outcome, Reason: it.Reason,
		Provider: it.raw.Provider, Kind: it.raw.Kind, Signer: it.raw.Signer,
		ReceivedAt: it.raw.ReceivedAt, Raw: it.rec.Position(), Record: events.PackReceived(it.rec, it.raw.Receipt, it.raw.ReceivedAt),
	}
	if ev := &it.parsed.Evidence; len(ev.Resources) > 0 {
		h.Named = ev.Resources[0].String()
	}
	return h
}

// forward publishes what has a home.
func (r *Router) forward(ctx context.Context, items []item) error {
	out := make([]events.Record, 0, len(items))
	for i := range items {
		it := &items[i]
		if it.Outcome != "" {
			continue
		}
		rec, err := it.resolved()
		if err != nil {
			return err
		}
		out = append(out, rec)
	}
	told, err := r.tell(ctx, items)
	if err != nil {
		return err
	}
	return r.passOn(ctx, append(out, told...))
}

// passOn publishes events on their domain topics.
func (r *Router) passOn(ctx context.Context, out []events.Record) error {
	if len(out) == 0 {
		return nil
	}
	failpoint.Reach(failpoint.RouterBeforePublish)
	if err := r.Publisher.Publish(ctx, out...); err != nil {
		return err
	}
	failpoint.Reach(failpoint.RouterAfterPublish)
	return nil
}

// resolved returns the event as it goes on.
func (it *item) resolved() (events.Record, error) {
	if b := it.parsed.Billing; b != nil {
		b.EventID, b.Receipt, b.ReceivedAt = it.id, it.raw.Receipt, it.raw.ReceivedAt
		b.Raw, b.Packed = it.rec.Position(), events.Pack(it.rec)
		return b.Record()
	}
	if c := it.parsed.Call; c != nil {
		c.EventID, c.Receipt, c.ReceivedAt = it.id, it.raw.Receipt, it.raw.ReceivedAt
		c.Org, c.Row, c.ResolvedBy = it.Org, it.Row, it.By
		c.Raw, c.Packed = it.rec.Position(), events.Pack(it.rec)
		return c.Record()
	}
	m := it.parsed.Message
	m.EventID, m.Receipt, m.ReceivedAt = it.id, it.raw.Receipt, it.raw.ReceivedAt
	m.Org, m.Row, m.ResolvedBy = it.Org, it.Row, it.By
	m.Raw, m.Packed = it.rec.Position(), events.Pack(it.rec)
	return m.Record()
}

// observe counts and logs one decision.
func (r *Router) observe(it *item) {
	r.metrics.decided(it.raw.Provider, it.Outcome, it.Reason)
	if it.fault != nil && it.Outcome == events.Quarantined {
		r.metrics.violations.WithLabelValues(violationSpeaker).Inc()
	}
	if it.Outcome == "" && !r.Log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	attrs := []any{
		"event_id", it.id, "provider", it.raw.Provider, "kind", it.raw.Kind,
		"topic", it.rec.Topic, "partition", it.rec.Partition, "offset", it.rec.Offset,
	}
	if it.Outcome == "" {
		r.Log.Debug("event routed", append(attrs, "org_id", it.Org, "resolved_by", it.By)...)
		return
	}
	if it.Outcome == events.Ignored {
		r.Log.Info("event ignored", append(attrs, "outcome", it.Outcome, "reason", it.Reason)...)
		return
	}
	level := slog.LevelInfo
	if it.Outcome == events.Quarantined {
		level = slog.LevelWarn
	}
	r.Log.Log(context.Background(), level, "event held", append(attrs, "outcome", it.Outcome, "reason", it.Reason)...)
}
