package postgres

import (
	"context"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// Calls applies resolved events of calls to their organisations' rows. It is
// safe for concurrent use.
type Calls struct {
	db    *DB
	group string
}

// NewCalls returns the store over a pool of the worker's role.
func NewCalls(db *DB, group string) *Calls { return &Calls{db, group} }

// Apply applies a batch of some partitions in one transaction; see [applyBatch].
func (c *Calls) Apply(ctx context.Context, fences []bus.Fence, batch []events.Call) (events.Effect, error) {
	return applyBatch(ctx, c.db, c.group, callDomain, fences, batch)
}

var callDomain = &domain[events.Call]{
	what: "applying call events",
	head: func(e *events.Call) head {
		return head{
			id: e.EventID, receipt: e.Receipt, org: e.Org, row: e.Row, provider: e.Provider, kind: e.Kind,
			status: e.Status, code: e.ErrorCode, resolvedBy: e.ResolvedBy, sequence: e.Sequence,
			occurred: e.OccurredAt, received: e.ReceivedAt, raw: e.Raw, replay: e.Replay,
		}
	},
	held:  tenantmap.HeldCall,
	parts: func() []part[events.Call] { return []part[events.Call]{newRowSet(calls)} },
	part:  func(*events.Call) int { return 0 },
}
