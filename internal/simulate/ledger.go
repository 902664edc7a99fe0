package simulate

import (
	"context"
	"time"

	"waybill/internal/events"
	"waybill/internal/history"
)

// Ledger reads back what is on record, whole tables at a time. It may be called
// again after it failed.
type Ledger interface {
	// EachRow calls fn with every message and call of the organisations.
	EachRow(ctx context.Context, orgs []events.OrgID, fn func(history.Row)) error
	// EachRecipient calls fn with every recipient of the organisations' e-mails.
	EachRecipient(ctx context.Context, orgs []events.OrgID, fn func(history.RecipientRow)) error
	// EachRecording calls fn with every recording of the organisations' calls.
	EachRecording(ctx context.Context, orgs []events.OrgID, fn func(history.RecordingRow)) error
	// EachEvent calls fn with every event of the organisations' timelines.
	EachEvent(ctx context.Context, orgs []events.OrgID, fn func(history.TimelineEntry)) error
	// EachRepeat calls fn with every event that was repeated since a time, and how often.
	EachRepeat(ctx context.Context, since time.Time, fn func(id events.EventID, times int64)) error
	// EachHeld calls fn with every event that is held.
	EachHeld(ctx context.Context, fn func(id events.EventID, state events.Outcome)) error
	// CampaignsByID returns the campaigns of an id.
	CampaignsByID(ctx context.Context, id string, org events.OrgID) ([]history.Campaign, error)
	// Find returns what is on record about an id.
	Find(ctx context.Context, query history.Query) (history.Found, error)
}
