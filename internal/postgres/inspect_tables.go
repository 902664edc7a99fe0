package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/postgres/dbq"
)

// each calls fn after every row was scanned into the targets. It keeps nothing
// in memory, and the statement ends with ctx alone.
func (s *Inspect) each(ctx context.Context, what, query string, args, targets []any, fn func()) error {
	return s.db.snapshot(ctx, what, true, func(tx pgx.Tx, _ *dbq.Queries) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, targets, func() error { fn(); return nil })
		return err
	})
}

// EachMessage calls fn with every message of the organisations, in no order.
func (s *Inspect) EachMessage(ctx context.Context, orgs []events.OrgID, fn func(history.MessageRow)) error {
	var m history.MessageRow
	return s.each(ctx, "reading messages", `
		SELECT org_id::text, id::text, direction, coalesce(campaign_id::text, ''), status, error_code, version
		FROM sms_messages WHERE org_id = ANY($1::uuid[])`,
		[]any{orgs}, []any{&m.Org, &m.Row, &m.Direction, &m.CampaignID, &m.Status, &m.ErrorCode, &m.Version},
		func() { fn(m) })
}

// EachEvent calls fn with every event of the organisations' timelines, in no order.
func (s *Inspect) EachEvent(ctx context.Context, orgs []events.OrgID, fn func(history.TimelineEntry)) error {
	var e history.TimelineEntry
	return s.each(ctx, "reading timelines", `
		SELECT org_id::text, row_id::text, event_id FROM events WHERE org_id = ANY($1::uuid[])`,
		[]any{orgs}, []any{&e.Org, &e.Row, &e.Event}, func() { fn(e) })
}

// EachRepeat calls fn with every event that was repeated since a time, and how
// often, in no order. A receipt that became the event's own does not count.
func (s *Inspect) EachRepeat(ctx context.Context, since time.Time, fn func(id events.EventID, times int64)) error {
	var id events.EventID
	var times int64
	return s.each(ctx, "reading repeats", `
		SELECT d.event_id, count(*) FROM event_duplicates d LEFT JOIN event_ids e USING (event_id)
		WHERE d.received_at >= $1 AND d.receipt_id IS DISTINCT FROM e.receipt_id GROUP BY d.event_id`,
		[]any{since}, []any{&id, &times}, func() { fn(id, times) })
}

// EachHeld calls fn with every event that is held, and its state, in no order.
func (s *Inspect) EachHeld(ctx context.Context, fn func(id events.EventID, state events.Outcome)) error {
	var id events.EventID
	var state events.Outcome
	return s.each(ctx, "reading held events", "SELECT event_id, state FROM held_events",
		nil, []any{&id, &state}, func() { fn(id, state) })
}
