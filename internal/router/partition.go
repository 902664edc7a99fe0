package router

import (
	"context"
	"errors"
	"time"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// Joined says that the router does its work, be it as a spare.
func (r *Router) Joined(int) { r.Health.Set(HealthConsuming, nil) }

// Open gives a partition of a raw topic or of the sends topic its processor.
func (r *Router) Open(ctx context.Context, a bus.Assignment) (bus.Partition, error) {
	next, known, err := r.Positions.Next(ctx, a.Topic, a.Partition)
	if err != nil {
		return nil, err
	}
	start, err := bus.Resume(a, next, known)
	if err != nil {
		r.metrics.logBehind.Inc()
		return nil, err
	}
	if !known {
		if err := r.Positions.Plant(ctx, a.Topic, a.Partition, start); err != nil {
			return nil, err
		}
		next = start
	}
	handle := r.routing
	if a.Topic == events.TopicSends {
		handle = r.recording
	}
	return &partition{router: r, topic: a.Topic, number: a.Partition, start: start, saved: next, next: next, handle: handle}, nil
}

// partition processes one partition and keeps its position.
type partition struct {
	router      *Router
	topic       string
	number      int
	start       int64
	saved, next int64 // the position in the database, and here
	savedAt     time.Time
	handle      *shared
}

// saveEvery is how often a position is written; what lies behind it is merely
// routed again.
const saveEvery = time.Second

func (p *partition) Start() int64 { return p.start }

// Handle routes a batch, and writes now and then how far the partition is.
func (p *partition) Handle(ctx context.Context, records []events.Record) error {
	if err := p.handle.do(ctx, records); err != nil {
		return err
	}
	p.next = max(p.next, records[len(records)-1].Offset+1)
	if now := p.router.Now(); now.Sub(p.savedAt) >= saveEvery {
		p.savedAt = now
		return p.save(ctx)
	}
	return nil
}

// providerUnknown stands for who sent a record of which nothing is believed.
const providerUnknown events.Provider = "unknown"

// unreadable returns a record as a dead event without believing any of it: its
// id is its receipt, and nothing frees it but an operator.
func unreadable(rec *events.Record, reason string) tenantmap.Held {
	receipt := events.ReceiptOf(rec)
	return tenantmap.Held{
		EventID: events.NewEventID(providerUnknown, "", "unknown", "receipt", string(receipt)), Receipt: receipt,
		State: events.Dead, Reason: reason, Provider: providerUnknown, Kind: "unknown",
		ReceivedAt: rec.Time.UTC(), Raw: rec.Position(), Record: events.PackReceived(rec, receipt, rec.Time),
	}
}

// save writes the position. Somebody else's write, or a restore of the
// database, fences this member; what it remembers of the map may be wrong then.
func (p *partition) save(ctx context.Context) error {
	if p.next == p.saved {
		return nil
	}
	_, err := p.router.saving.Do(ctx, bus.Fence{Topic: p.topic, Partition: p.number, At: p.saved, Next: p.next})
	if err == nil {
		p.saved = p.next
	}
	if errors.Is(err, bus.ErrFenced) {
		p.router.cache.Clear()
	}
	return err
}

// Close writes the position for the next owner.
func (p *partition) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := p.save(ctx); err != nil && !errors.Is(err, bus.ErrFenced) {
		p.router.Log.Warn("saving a position failed, records will be routed again", "topic", p.topic, "partition", p.number, "error", err)
	}
}
