package worker

import (
	"context"
	"errors"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/tenantmap"
)

// position is where a partition stands: start is where its reading began, next
// the position that the database keeps for it.
type position struct {
	worker      *Worker
	topic       string
	partition   int
	start, next int64
	unsure      bool // a transaction may have been committed without our knowing
}

// partition applies one partition's events of one domain.
type partition[E any] struct {
	position
	domain *domain[E]
}

// Start returns the offset to read from.
func (p *partition[E]) Start() int64 { return p.start }

// Close has nothing to give back: the position is in the database.
func (p *partition[E]) Close() {}

// Handle applies a batch and publishes its status events.
func (p *partition[E]) Handle(ctx context.Context, records []events.Record) error {
	if p.unsure {
		if err := p.reread(ctx, records[len(records)-1].Offset+1); err != nil {
			return err
		}
	}
	good := make([]located[E], 0, len(records))
	var dead []tenantmap.Held
	for i := range records {
		e, err := p.domain.decode(&records[i])
		if err != nil {
			dead = append(dead, undecodable(&records[i], err))
			continue
		}
		if records[i].Offset < p.next {
			p.domain.replay(&e)
		}
		good = append(good, located[E]{e, &records[i]})
	}
	if err := p.apply(ctx, good, p.domain.together); err != nil {
		return err
	}
	return p.hold(ctx, records[len(records)-1].Offset+1, dead)
}

// located is an event and the record that it came in.
type located[E any] struct {
	event  E
	record *events.Record
}

// reread asks the database where the partition stands after a transaction of
// which we do not know whether it was committed.
func (p *position) reread(ctx context.Context, end int64) error {
	next, known, err := p.worker.Ledger.Next(ctx, p.topic, p.partition)
	if err != nil {
		return err
	}
	if !known || next < p.next || next > max(p.next, end) {
		return bus.ErrFenced
	}
	p.next, p.unsure = next, false
	return nil
}

// apply applies a batch by do. If that fails for good, it halves the batch until
// the record that cannot be applied stands alone.
func (p *partition[E]) apply(ctx context.Context, batch []located[E], do func(context.Context, share[E]) error) error {
	if len(batch) == 0 {
		return nil
	}
	list := make([]E, len(batch))
	for i := range batch {
		list[i] = batch[i].event
	}
	s := share[E]{p.fence(batch[len(batch)-1].record.Offset + 1), list}
	err := do(ctx, s)
	if len(batch) == 1 && fault.ClassOf(err) == fault.Invalid {
		err = p.domain.alone(ctx, s) // a race with a neighbour looks the same, once
	}
	switch {
	case err == nil:
		p.next = s.fence.Next
		return nil
	case errors.Is(err, bus.ErrFenced):
		p.worker.metrics.fenced.Inc()
		return err
	case fault.ClassOf(err) != fault.Invalid:
		p.unsure = true
		return err
	case len(batch) > 1:
		half := len(batch) / 2
		if err := p.apply(ctx, batch[:half], p.domain.alone); err != nil {
			return err
		}
		return p.apply(ctx, batch[half:], p.domain.alone)
	}
	i := p.domain.info(&s.events[0])
	p.worker.Log.Error("an event cannot be applied and becomes a dead letter", "event_id", i.id, "org_id", i.org,
		"topic", p.topic, "partition", p.partition, "offset", batch[0].record.Offset, "reason", fault.ReasonOf(err), "error", err)
	held := p.domain.held(&s.events[0], events.Dead, fault.ReasonOf(err))
	if err = p.hold(ctx, s.fence.Next, []tenantmap.Held{held}); err == nil || fault.ClassOf(err) != fault.Invalid {
		return err
	}
	// What it says cannot even be held: keep the record without believing it.
	return p.hold(ctx, s.fence.Next, []tenantmap.Held{undecodable(batch[0].record, err)})
}

func (p *position) fence(next int64) bus.Fence {
	return bus.Fence{Topic: p.topic, Partition: p.partition, At: p.next, Next: max(p.next, next)}
}

// hold keeps dead events and moves behind them.
func (p *position) hold(ctx context.Context, next int64, held []tenantmap.Held) error {
	if len(held) == 0 {
		return nil
	}
	f := p.fence(next)
	if err := p.worker.Ledger.Hold(ctx, f, held); err != nil {
		p.unsure = !errors.Is(err, bus.ErrFenced)
		return err
	}
	p.next = f.Next
	p.worker.metrics.dead.Add(float64(len(held)))
	return nil
}

// undecodable returns a record that no worker understands as a dead event,
// under the receipt of the raw record that it carries. That one is kept: a
// replay goes through the router again. Without one, its own record is kept.
func undecodable(rec *events.Record, err error) tenantmap.Held {
	receipt, record := events.ReceiptOf(rec), events.PackReceived(rec, events.ReceiptOf(rec), rec.Time)
	if raw, packed, ok := events.RawOf(rec); ok {
		receipt, record = events.ReceiptOf(&raw), packed
	}
	return tenantmap.Held{
		EventID: events.NewEventID("unknown", "", "unknown", "receipt", string(receipt)), Receipt: receipt,
		State: events.Dead, Reason: fault.ReasonOf(err), Provider: "unknown", Kind: "unknown",
		ReceivedAt: rec.Time.UTC(), Raw: rec.Position(), Record: record,
	}
}
