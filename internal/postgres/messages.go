package postgres

import (
	"context"

	"waybill/internal/bus"
	"waybill/internal/consent"
	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// Messages applies resolved events of messages to their organisations' rows.
// It is safe for concurrent use.
type Messages struct {
	db    *DB
	group string
}

// NewMessages returns the store over a pool of the worker's role.
func NewMessages(db *DB, group string) *Messages { return &Messages{db, group} }

// Apply applies a batch of some partitions in one transaction; see [applyBatch].
func (m *Messages) Apply(ctx context.Context, fences []bus.Fence, batch []events.Message) (events.Effect, error) {
	return applyBatch(ctx, m.db, m.group, messageDomain, fences, batch)
}

var messageDomain = &domain[events.Message]{
	what: "applying message events",
	head: func(e *events.Message) head {
		return head{
			id: e.EventID, receipt: e.Receipt, org: e.Org, row: e.Row, provider: e.Provider, kind: e.Kind,
			status: e.Status, code: e.ErrorCode, resolvedBy: e.ResolvedBy,
			occurred: e.OccurredAt, received: e.ReceivedAt, raw: e.Raw, replay: e.Replay,
		}
	},
	held: tenantmap.HeldMessage,
	parts: func() []part[events.Message] {
		return []part[events.Message]{newRowSet(smsMessages), newRowSet(emailMessages), consentPart{}}
	},
	part: func(e *events.Message) int {
		switch {
		case e.Kind == events.KindConsent:
			return 2
		case e.Channel == events.Email:
			return 1
		}
		return 0
	},
	consent: consent.Decisions,
}
