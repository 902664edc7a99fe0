package worker

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/failpoint"
	"waybill/internal/fault"
	"waybill/internal/gather"
	"waybill/internal/tenantmap"
)

// What partitions bring at about the same time shares a transaction: one costs
// most for each organisation in it, and partitions have the same ones.
const (
	sharePause = 50 * time.Millisecond
	shareMost  = 2500 // events in a transaction, unless one partition brings more
	// Who brings so many events is behind, and shares transactions with the others
	// that are: a backlog does not hold up who keeps up.
	backlogFrom = 250
	// sharePatience bounds what one attempt waits for the database and the
	// broker; then the partitions try again.
	sharePatience = 30 * time.Second
)

// domain applies one kind of event. It is safe for concurrent use.
type domain[E any] struct {
	worker *Worker
	rules[E]
	shared  *gather.Gatherer[share[E], struct{}]
	backlog *gather.Gatherer[share[E], struct{}]
}

// rules are what the loop needs to know of one kind of event.
type rules[E any] struct {
	name   string
	decode func(*events.Record) (E, error)
	apply  func(context.Context, []bus.Fence, []E) (events.Effect, error)
	held   func(*E, events.Outcome, string) tenantmap.Held
	replay func(*E) // marks an event that lies below what was applied
	info   func(*E) info
}

// info is what the loop's log lines and figures say of an event.
type info struct {
	id  events.EventID
	org events.OrgID
}

// share is what one partition brings to a transaction.
type share[E any] struct {
	fence  bus.Fence
	events []E
}

func newDomain[E any](w *Worker, pause time.Duration, r rules[E]) *domain[E] {
	d := &domain[E]{worker: w, rules: r}
	options := gather.Options[share[E], struct{}]{
		Pause: pause, Most: shareMost, Patience: sharePatience, Size: func(s share[E]) int { return len(s.events) },
		Run: func(ctx context.Context, shares []share[E]) ([]struct{}, error) {
			return make([]struct{}, len(shares)), d.applyAll(ctx, shares)
		},
	}
	d.shared = gather.New(options)
	options.Pause, options.Turns = 0, w.backlogs
	d.backlog = gather.New(options)
	return d
}

// newBacklogTurns bounds the transactions of backlogs that a worker has at a time. Half
// of the processors stay free for what keeps up: an organisation whose callbacks
// flood its partitions must not be felt on the others.
func newBacklogTurns() gather.Turns { return gather.NewTurns(max(1, runtime.GOMAXPROCS(0)/2)) }

// together applies what a partition brings with what others bring that keep up,
// or are behind, as it does.
func (d *domain[E]) together(ctx context.Context, s share[E]) error {
	g := d.shared
	if len(s.events) >= backlogFrom {
		g = d.backlog
	}
	_, err := g.Do(ctx, s)
	return err
}

// alone applies what a partition brings at once.
func (d *domain[E]) alone(ctx context.Context, s share[E]) error {
	return d.applyAll(ctx, []share[E]{s})
}

// errUnpublished is why events are applied and nobody was told.
const errUnpublished = "status_unpublished"

// applyAll applies shares in one transaction and publishes its status events.
// An error of class Unavailable may come from either; who gets it asks the
// database how far it is.
func (d *domain[E]) applyAll(ctx context.Context, shares []share[E]) error {
	fences := make([]bus.Fence, len(shares))
	var list []E
	for i, s := range shares {
		fences[i] = s.fence
		list = append(list, s.events...)
	}
	failpoint.Reach(failpoint.WorkerBeforeApply)
	began := time.Now()
	effect, err := d.attempt(ctx, fences, list)
	if err != nil {
		return err
	}
	d.worker.metrics.batch(d.name, len(list), time.Since(began), effect)
	return fault.Wrap(fault.Unavailable, errUnpublished, d.worker.publish(ctx, effect))
}

// attempt turns a panic of the domain's rules into a permanent error, so that
// the record that causes it is found.
func (d *domain[E]) attempt(ctx context.Context, fences []bus.Fence, list []E) (effect events.Effect, err error) {
	defer func() {
		if r := recover(); r != nil {
			d.worker.Log.Error("applying panicked", "domain", d.name, "stack", string(debug.Stack()))
			err = fault.New(fault.Invalid, "apply_panic")
		}
	}()
	return d.apply(ctx, fences, list)
}

func (w *Worker) publish(ctx context.Context, effect events.Effect) error {
	if len(effect.Status) == 0 {
		return nil
	}
	records := make([]events.Record, len(effect.Status))
	for i := range effect.Status {
		rec, err := effect.Status[i].Record()
		if err != nil {
			return err
		}
		records[i] = rec
	}
	failpoint.Reach(failpoint.WorkerAfterCommit)
	if err := w.Publisher.Publish(ctx, records...); err != nil {
		return fmt.Errorf("publishing status events: %w", err)
	}
	w.metrics.published.Add(float64(len(records)))
	return nil
}

func (w *Worker) messageRules() rules[events.Message] {
	return rules[events.Message]{
		name: "messages", decode: events.DecodeMessage, apply: w.Messages.Apply, held: tenantmap.HeldMessage,
		replay: func(e *events.Message) { e.Replay = true },
		info:   func(e *events.Message) info { return info{id: e.EventID, org: e.Org} },
	}
}

func (w *Worker) callRules() rules[events.Call] {
	return rules[events.Call]{
		name: "calls", decode: events.DecodeCall, apply: w.Calls.Apply, held: tenantmap.HeldCall,
		replay: func(e *events.Call) { e.Replay = true },
		info:   func(e *events.Call) info { return info{id: e.EventID, org: e.Org} },
	}
}

func (w *Worker) billingRules() rules[events.Billing] {
	return rules[events.Billing]{
		name: "billing", decode: events.DecodeBilling, apply: w.Billing.Apply, held: tenantmap.HeldBilling,
		replay: func(*events.Billing) {}, // no status events to publish again
		info:   func(e *events.Billing) info { return info{id: e.EventID} },
	}
}
