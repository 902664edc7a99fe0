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
	fault  error // class Invalid: dead
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
	if err := r.hold(ctx, items); err != nil {
		return err
	}
	if err := r.learn(ctx, items); err != nil {
		return err
	}
	return r.forward(ctx, items)
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
	p, ok := r.parsers[it.raw.Provider]
	if !ok {
		it.fault = fault.New(fault.Invalid, "unknown_provider")
		return it
	}
	it.parsed, it.fault = p.Parse(&it.raw)
	it.id = it.parsed.EventID
	return it
}

// global tells whether the event belongs to no organisation by its nature.
func (it *item) global() bool { return it.parsed.Billing != nil }

// decide resolves what has evidence, in one look-up for the batch.
func (r *Router) decide(ctx context.Context, items []item) error {
	facts, err := r.facts(ctx, items)
	if err != nil {
		return err
	}
	for i := range items {
		it := &items[i]
		switch {
		case it.fault != nil:
			it.Decision = tenantmap.Decision{Outcome: events.Dead, Reason: fault.ReasonOf(it.fault)}
		case !it.global():
			it.Decision = tenantmap.Resolve(&it.parsed.Evidence, &facts)
		}
	}
	return nil
}

// facts looks up every key of the batch that the cache does not hold.
func (r *Router) facts(ctx context.Context, items []item) (tenantmap.Facts, error) {
	cached := map[tenantmap.Key]tenantmap.Mapping{}
	asked := map[tenantmap.Key]bool{}
	var keys []tenantmap.Key
	for i := range items {
		if items[i].fault != nil || items[i].global() {
			continue
		}
		for _, k := range items[i].parsed.Evidence.Keys() {
			if asked[k] {
				continue
			}
			asked[k] = true
			if m, ok := r.cache.Get(k); ok {
				cached[k] = m
				continue
			}
			keys = append(keys, k)
		}
	}
	r.metrics.lookups.WithLabelValues("hit").Add(float64(len(cached)))
	r.metrics.lookups.WithLabelValues("miss").Add(float64(len(keys)))
	facts, err := r.Store.Lookup(ctx, keys)
	if err != nil {
		return facts, err
	}
	for k, m := range facts.Mappings {
		if !m.SentAt.IsZero() { // the time may still become known
			r.cache.Put(k, m)
		}
	}
	for k, m := range cached {
		facts.Mappings[k] = m
	}
	return facts, nil
}

// hold keeps what does not go on. What looked unresolved is decided once more
// under the locks of its keys, and may turn out to be resolved.
func (r *Router) hold(ctx context.Context, items []item) error {
	var parkings []tenantmap.Parking
	var parked []*item
	var held []tenantmap.Held
	for i := range items {
		it := &items[i]
		// A quarantined event goes the same way: the account or number that
		// would entitle its signer may be recorded at this moment.
		if it.Outcome == events.Parked || it.Outcome == events.Quarantined {
			parkings = append(parkings, tenantmap.Parking{Held: it.held(), Evidence: it.parsed.Evidence})
			parked = append(parked, it)
		} else if it.Outcome != "" {
			held = append(held, it.held())
		}
	}
	decisions, err := r.Store.Park(ctx, parkings)
	if err != nil {
		return err
	}
	for i, d := range decisions {
		parked[i].Decision = d
	}
	if err := r.Store.Hold(ctx, held); err != nil {
		return err
	}
	for i := range items {
		r.observe(&items[i])
	}
	return nil
}

// learn enters the provider's id of what our own echoed id resolved, so that a
// send record that names the provider's id alone meets the same row.
func (r *Router) learn(ctx context.Context, items []item) error {
	var sends []tenantmap.Send
	for i := range items {
		it := &items[i]
		if it.Outcome != "" || it.By != tenantmap.ByEcho {
			continue
		}
		s := tenantmap.Send{Org: it.Org, Provider: it.raw.Provider, ProviderID: it.parsed.Evidence.ProviderID, Account: it.raw.Signer}
		for _, k := range it.parsed.Evidence.Resources {
			if k.Kind == tenantmap.KeyEcho {
				s.Echo = k
			} else {
				s.Resource = k
			}
		}
		sends = append(sends, s)
	}
	_, ready, err := r.Store.RecordSends(ctx, sends)
	r.wake(ready)
	return err
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
	if it.fault == nil {
		h.Keys = it.parsed.Evidence.Keys()
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
	level := slog.LevelInfo
	if it.Outcome == events.Quarantined {
		level = slog.LevelWarn
	}
	r.Log.Log(context.Background(), level, "event held", append(attrs, "outcome", it.Outcome, "reason", it.Reason)...)
}
