package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/facts"
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

// EachRow calls fn with every message and call of the organisations, in no order.
func (s *Inspect) EachRow(ctx context.Context, orgs []events.OrgID, fn func(history.Row)) error {
	var r history.Row
	var told facts.Known
	return s.each(ctx, "reading rows", `
		SELECT kind, org_id::text, id::text, direction, coalesce(campaign_id::text, ''), status, error_code, version, facts
		FROM resources WHERE org_id = ANY($1::uuid[])`,
		[]any{orgs}, []any{&r.Kind, &r.Org, &r.Row, &r.Direction, &r.CampaignID, &r.Status, &r.ErrorCode, &r.Version, &told},
		func() {
			row := r
			row.Facts = make(map[string]history.Fact, len(told))
			for name, m := range told {
				row.Facts[name] = history.Fact{Count: m.Count, Value: m.Value}
			}
			told = nil // the next row's would be added to them
			fn(row)
		})
}

// EachRecipient calls fn with every recipient of the organisations' e-mails, in
// no order.
func (s *Inspect) EachRecipient(ctx context.Context, orgs []events.OrgID, fn func(history.RecipientRow)) error {
	var r history.RecipientRow
	return s.each(ctx, "reading recipients", `
		SELECT org_id::text, email_id::text, id::text, address, status, error_code FROM email_recipients WHERE org_id = ANY($1::uuid[])`,
		[]any{orgs}, []any{&r.Org, &r.Row, &r.ID, &r.Address, &r.Status, &r.ErrorCode}, func() { fn(r) })
}

// EachRecording calls fn with every recording of the organisations' calls, in no
// order; without when it began.
func (s *Inspect) EachRecording(ctx context.Context, orgs []events.OrgID, fn func(history.RecordingRow)) error {
	var r history.RecordingRow
	return s.each(ctx, "reading recordings", `
		SELECT org_id::text, call_id::text, provider_id, status, error_code, duration_seconds, channels, source, track, location
		FROM call_recordings WHERE org_id = ANY($1::uuid[])`,
		[]any{orgs}, []any{&r.Org, &r.Row, &r.ProviderID, &r.Status, &r.ErrorCode, &r.Duration, &r.Channels, &r.Source, &r.Track, &r.Location},
		func() { fn(r) })
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
