package worker

import (
	"context"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// domain is what the loop needs to know of one kind of event.
type domain[E any] struct {
	name   string
	decode func(*events.Record) (E, error)
	apply  func(context.Context, bus.Fence, []E) (events.Effect, error)
	held   func(*E, events.Outcome, string) tenantmap.Held
	replay func(*E) // marks an event that lies below what was applied
	info   func(*E) info
}

// info is what the loop's log lines and figures say of an event.
type info struct {
	id  events.EventID
	org events.OrgID
}

func (w *Worker) messages() domain[events.Message] {
	return domain[events.Message]{
		name: "messages", decode: events.DecodeMessage, apply: w.Messages.Apply, held: tenantmap.HeldMessage,
		replay: func(e *events.Message) { e.Replay = true },
		info:   func(e *events.Message) info { return info{id: e.EventID, org: e.Org} },
	}
}

func (w *Worker) calls() domain[events.Call] {
	return domain[events.Call]{
		name: "calls", decode: events.DecodeCall, apply: w.Calls.Apply, held: tenantmap.HeldCall,
		replay: func(e *events.Call) { e.Replay = true },
		info:   func(e *events.Call) info { return info{id: e.EventID, org: e.Org} },
	}
}

func (w *Worker) billing() domain[events.Billing] {
	return domain[events.Billing]{
		name: "billing", decode: events.DecodeBilling, apply: w.Billing.Apply, held: tenantmap.HeldBilling,
		replay: func(*events.Billing) {}, // no status events to publish again
		info:   func(e *events.Billing) info { return info{id: e.EventID} },
	}
}
