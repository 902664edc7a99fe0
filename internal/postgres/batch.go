package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"waybill/internal/bus"
	"waybill/internal/consent"
	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

type pgconnTag = pgconn.CommandTag

// head is what all events that are resolved to an organisation have in common.
type head struct {
	id           events.EventID
	receipt      events.ReceiptID
	org          events.OrgID
	row          events.RowID
	provider     events.Provider
	kind         events.Kind
	status, code string // what the event says
	resolvedBy   string
	sequence     *int
	occurred     *time.Time
	received     time.Time
	raw          events.Position
	replay       bool // below what was applied: if known it is only published again
}

// domain is what a batch needs to know of the events of one topic.
type domain[E any] struct {
	what  string // is being done, for errors
	head  func(*E) head
	held  func(*E, events.Outcome, string) tenantmap.Held
	parts func() []part[E] // one for each kind of row, in the order in which they are locked
	part  func(*E) int     // the one whose row the event is about
	// consent is what an event decides of somebody's consent; nil = nothing ever.
	consent func(*E) []consent.Decision
}

// part is what a batch does to one kind of row of one organisation.
type part[E any] interface {
	// resource is what the timeline calls the kind of row.
	resource() string
	// take notes an event, and that its row takes part.
	take(*E, events.RowID)
	// queueLock reads and locks the rows that take part, in the order of their ids.
	queueLock(*pgx.Batch, events.OrgID)
	// queueReplay brings back the status events of what was applied before.
	queueReplay(*pgx.Batch, events.OrgID, replays, *[]events.Status)
	// fold merges an event into its row. If it was an accepted transition,
	// status makes its status event; it is called when all events are folded.
	fold(*E, events.RowID) (step events.Step, status func() events.Status)
	// links adds what the changed rows mean for campaigns and customers.
	links(events.OrgID, *links)
	// queueWrite writes the changed rows. What they refer to is there.
	queueWrite(*pgx.Batch, events.OrgID) error
}

// replays are events that were applied before and may not have been published.
type replays struct {
	ids []string
	at  []time.Time // when each was applied
}

// applyBatch applies a batch of some partitions in one transaction: fences, event
// ids, then for each organisation its rows, counters and timeline. Events to be
// replayed that are known only bring back their status events; see bus.ErrFenced
// and package fault for the errors.
func applyBatch[E any](ctx context.Context, db *DB, group string, d *domain[E], fences []bus.Fence, list []E) (events.Effect, error) {
	var res events.Effect
	err := db.inTx(ctx, d.what, func(ctx context.Context, tx pgx.Tx) error {
		a := &batch[E]{domain: d, list: list, groups: map[events.OrgID]*orgGroup[E]{}, res: events.Effect{Outcomes: map[events.Outcome]int{}}}
		defer func() { res = a.res }()
		return a.apply(ctx, tx, group, fences)
	})
	return res, err
}

// batch is one attempt at one batch.
type batch[E any] struct {
	*domain[E]
	list   []E
	occs   []occurrence
	ledger *ledger
	orgs   []events.OrgID // sorted
	groups map[events.OrgID]*orgGroup[E]
	held   []tenantmap.Held
	finals []final
	res    events.Effect
}

// orgGroup is the part of a batch that belongs to one organisation.
type orgGroup[E any] struct {
	fresh    []unapplied[E] // in the order of the log
	parts    []part[E]
	replays  []replays // by part
	timeline []entry
	links    links
	consents consents
}

// unapplied is an event that is to be applied.
type unapplied[E any] struct {
	event *E
	head  *head
	part  int
}

func (a *batch[E]) apply(ctx context.Context, tx pgx.Tx, group string, fences []bus.Fence) error {
	heads := make([]head, len(a.list))
	a.occs = make([]occurrence, len(a.list))
	for i := range a.list {
		heads[i] = a.head(&a.list[i])
		a.occs[i] = occurrence{id: heads[i].id, receipt: heads[i].receipt, at: heads[i].received}
	}
	var err error
	if a.ledger, err = openLedger(ctx, tx, group, fences, a.occs); err != nil {
		return err
	}
	a.sort(heads)
	if err := a.lock(ctx, tx); err != nil {
		return err
	}
	for _, org := range a.orgs {
		a.fold(org, a.groups[org])
	}
	if err := a.write(ctx, tx); err != nil {
		return err
	}
	if err := hold(ctx, tx, a.held); err != nil {
		return err
	}
	return a.ledger.close(ctx, tx, a.settled(), a.finals)
}

// sort judges every event and puts what is to be applied, or published again,
// into its organisation's group.
func (a *batch[E]) sort(heads []head) {
	for i := range a.list {
		e, h := &a.list[i], &heads[i]
		known := a.ledger.known[h.id]
		switch a.ledger.judge(a.occs[i]) {
		case duplicate:
			a.res.Duplicates++
			fallthrough
		case redelivery:
			if h.replay && !known.inBatch {
				r := &a.group(h.org).replays[a.part(e)]
				r.ids, r.at = append(r.ids, string(h.id)), append(r.at, known.at)
			}
		case fresh:
			g, part := a.group(h.org), a.part(e)
			g.fresh = append(g.fresh, unapplied[E]{e, h, part})
			g.parts[part].take(e, h.row)
		}
	}
	slices.Sort(a.orgs)
}

func (a *batch[E]) group(org events.OrgID) *orgGroup[E] {
	g := a.groups[org]
	if g == nil {
		g = &orgGroup[E]{parts: a.parts(), links: newLinks(), consents: consents{}}
		g.replays = make([]replays, len(g.parts))
		a.groups[org] = g
		a.orgs = append(a.orgs, org)
	}
	return g
}

// lock reads the rows of the batch and locks them, each organisation's in one
// order. The same pipeline brings back what is to be published again.
func (a *batch[E]) lock(ctx context.Context, tx pgx.Tx) error {
	return inOrgs(ctx, tx, a.orgs, func(org events.OrgID, b *pgx.Batch) error {
		g := a.groups[org]
		for i, p := range g.parts {
			p.queueLock(b, org)
			if r := g.replays[i]; len(r.ids) > 0 {
				p.queueReplay(b, org, r, &a.res.Status)
			}
		}
		return nil
	})
}

// fold merges every event of an organisation into its row, in the order of the log.
func (a *batch[E]) fold(org events.OrgID, g *orgGroup[E]) {
	for _, u := range g.fresh {
		e, h, p := u.event, u.head, g.parts[u.part]
		step, status := p.fold(e, h.row)
		a.res.Outcomes[step.Outcome]++
		if !step.Outcome.Final() {
			a.held = append(a.held, a.domain.held(e, step.Outcome, step.Reason))
			delete(a.ledger.known, h.id)
			continue
		}
		g.timeline = append(g.timeline, entry{head: h, resource: p.resource(), step: step, status: status})
		a.finals = append(a.finals, final{h.id, h.receipt, org, step.Outcome})
		if a.consent != nil {
			g.consents.add(a.consent(e))
		}
	}
	for _, p := range g.parts {
		p.links(org, &g.links)
	}
	// Only now is each row complete: a send record later in the batch may
	// have named the campaign of an earlier transition.
	for i := range g.timeline {
		if t := &g.timeline[i]; t.status != nil {
			t.said = t.status()
			a.res.Status = append(a.res.Status, t.said)
		}
	}
}

// write sends every organisation's rows in one pipeline. Parents come first.
func (a *batch[E]) write(ctx context.Context, tx pgx.Tx) error {
	return inOrgs(ctx, tx, a.orgs, func(org events.OrgID, b *pgx.Batch) error {
		g := a.groups[org]
		g.links.queueParents(b, org)
		for _, p := range g.parts {
			if err := p.queueWrite(b, org); err != nil {
				return err
			}
		}
		if err := queueTimeline(b, org, a.ledger.now, g.timeline); err != nil {
			return err
		}
		g.links.queueCounters(b, org)
		g.consents.queueWrite(b, org)
		return nil
	})
}

// settled leaves out what was held just now: a held event must not be taken
// for superseded by itself.
func (a *batch[E]) settled() []occurrence {
	if len(a.held) == 0 {
		return a.occs
	}
	held := map[events.EventID]bool{}
	for i := range a.held {
		held[a.held[i].EventID] = true
	}
	return slices.DeleteFunc(slices.Clone(a.occs), func(o occurrence) bool { return held[o.id] })
}
