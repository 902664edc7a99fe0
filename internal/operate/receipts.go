package operate

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/history"
)

type receiptID [16]byte

// receipt is one receipt of an audit, kept small: there may be millions.
type receipt struct {
	offset    int64 // of its newest record
	partition int32
	topic     uint8 // index into events.RouterTopics
	class     history.Class
	outcome   uint8 // index into receipts.outcomes
}

// receipts are those of an audit.
type receipts struct {
	at       map[receiptID]receipt
	records  int
	outcomes []events.Outcome
}

// saw takes note of a record. A receipt that was published again counts once,
// where it was seen last.
func (rs *receipts) saw(topic int, r *events.Record) {
	rs.records++
	id, err := uuid.Parse(string(events.ReceiptOf(r)))
	if err != nil {
		return // cannot be: a receipt is a UUID
	}
	rs.at[receiptID(id)] = receipt{offset: r.Offset, partition: int32(r.Partition), topic: uint8(topic)} //nolint:gosec // a few topics
}

// stand takes note of where a receipt stands. One request may be several
// events, so a receipt may stand in several places: the strongest class counts,
// and of its outcomes the first by name, whatever the order in which they come.
func (rs *receipts) stand(s history.Standing) {
	r, ok := rs.at[receiptID(s.Receipt)]
	if !ok || s.Class < r.class || s.Class == r.class && s.Outcome >= rs.outcomes[r.outcome] {
		return
	}
	r.class, r.outcome = s.Class, rs.index(s.Outcome)
	rs.at[receiptID(s.Receipt)] = r
}

func (rs *receipts) index(o events.Outcome) uint8 {
	for i, known := range rs.outcomes {
		if known == o {
			return uint8(i) //nolint:gosec // six outcomes
		}
	}
	rs.outcomes = append(rs.outcomes, o)
	return uint8(len(rs.outcomes) - 1) //nolint:gosec // six outcomes
}

func (rs *receipts) anyMissing() bool {
	for _, r := range rs.at {
		if r.class == history.Missing {
			return true
		}
	}
	return false
}

// balance sums up. What is nowhere on record is in flight if the router has
// not consumed it, or the workers have not consumed all that the router made
// of it; otherwise it is missing.
func (rs *receipts) balance(pos *positions) Balance {
	b := Balance{
		Receipts: len(rs.at), Records: rs.records, Lag: pos.lag,
		Final: map[events.Outcome]int{}, Held: map[events.Outcome]int{}, MissingAt: []events.Position{},
	}
	for _, r := range rs.at {
		outcome := rs.outcomes[r.outcome]
		at := events.Position{Topic: events.RouterTopics[r.topic], Partition: int(r.partition), Offset: r.offset}
		switch {
		case r.class == history.Final:
			b.Final[outcome]++
		case r.class == history.HeldNow:
			b.Held[outcome]++
		case r.class == history.Duplicate:
			b.Duplicates++
		case pos.workers > 0, !pos.routed(at):
			b.InFlight++
		default:
			b.Missing++
			if len(b.MissingAt) < maxMissingAt {
				b.MissingAt = append(b.MissingAt, at)
			}
		}
	}
	return b
}

// positions is how far router and workers have come.
type positions struct {
	router  map[string][]bus.Assignment
	workers int64 // records that the workers have not consumed
	lag     map[string]int64
}

// positions asks for the router's first: what it has consumed is on the
// workers' topics by then.
func (a *Audit) positions(ctx context.Context) (*positions, error) {
	p := &positions{router: map[string][]bus.Assignment{}, lag: map[string]int64{}}
	for _, topic := range events.RouterTopics {
		all, err := a.Log.Offsets(ctx, events.GroupRouter, topic)
		if err != nil {
			return nil, fmt.Errorf("asking how far the router is: %w", err)
		}
		p.router[topic] = all
		p.add(topic, all)
	}
	for _, topic := range events.WorkerTopics {
		all, err := a.Log.Offsets(ctx, events.GroupWorkers, topic)
		if err != nil {
			return nil, fmt.Errorf("asking how far the workers are: %w", err)
		}
		p.workers += p.add(topic, all)
	}
	return p, nil
}

func (p *positions) add(topic string, all []bus.Assignment) int64 {
	n := bus.Lag(all)
	if n > 0 {
		p.lag[topic] = n
	}
	return n
}

func (p *positions) total() int64 {
	var n int64
	for _, lag := range p.lag {
		n += lag
	}
	return n
}

// routed tells whether the router has consumed a record.
func (p *positions) routed(at events.Position) bool {
	for _, a := range p.router[at.Topic] {
		if a.Partition == at.Partition {
			return at.Offset < a.Committed
		}
	}
	return false
}
