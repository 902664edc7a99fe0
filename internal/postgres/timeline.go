package postgres

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
)

// entry is one event in its organisation's timeline.
type entry struct {
	head     *head
	resource string
	step     events.Step
	status   func() events.Status // nil without a transition
	said     events.Status        // what status made
}

// insertTimeline keeps the row's state behind an accepted transition only.
const insertTimeline = `
	INSERT INTO events (org_id, event_id, applied_at, receipt_id, resource, row_id, provider, kind, outcome, reason,
		event_status, event_error, occurred_at, received_at, raw_topic, raw_partition, raw_offset, resolved_by, sequence,
		version, status, error_code, detail, lacks)
	SELECT $1, e, $2, r, rs, w, p, k, o, y, es, ee, oa, ra, rt, rp, ro, by, q,
		nullif(v, 0), CASE WHEN v > 0 THEN s END, CASE WHEN v > 0 THEN c END, d, l
	FROM unnest($3::text[], $4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
		$13::timestamptz[], $14::timestamptz[], $15::text[], $16::int[], $17::bigint[], $18::text[], $19::int[],
		$20::bigint[], $21::text[], $22::text[], $23::jsonb[], $24::smallint[])
		AS u(e, r, rs, w, p, k, o, y, es, ee, oa, ra, rt, rp, ro, by, q, v, s, c, d, l)`

func queueTimeline(b *pgx.Batch, org events.OrgID, now time.Time, all []entry) error {
	if len(all) == 0 {
		return nil
	}
	details := make([]*string, len(all))
	for i := range all {
		var err error
		if details[i], err = detail(&all[i].said); err != nil {
			return err
		}
	}
	b.Queue(insertTimeline, org, now,
		each(all, func(t *entry) string { return string(t.head.id) }),
		each(all, func(t *entry) string { return string(t.head.receipt) }),
		each(all, func(t *entry) string { return t.resource }),
		each(all, func(t *entry) string { return string(t.head.row) }),
		each(all, func(t *entry) string { return string(t.head.provider) }),
		each(all, func(t *entry) string { return string(t.head.kind) }),
		each(all, func(t *entry) string { return string(t.step.Outcome) }),
		each(all, func(t *entry) string { return t.step.Reason }),
		each(all, func(t *entry) string { return t.head.status }),
		each(all, func(t *entry) string { return t.head.code }),
		each(all, func(t *entry) *time.Time { return t.head.occurred }),
		each(all, func(t *entry) time.Time { return t.head.received }),
		each(all, func(t *entry) string { return t.head.raw.Topic }),
		each(all, func(t *entry) int32 { return int32(t.head.raw.Partition) }), //nolint:gosec // a partition number
		each(all, func(t *entry) int64 { return t.head.raw.Offset }),
		each(all, func(t *entry) string { return t.head.resolvedBy }),
		each(all, func(t *entry) *int { return t.head.sequence }),
		each(all, func(t *entry) int64 {
			if t.step.Transition {
				return t.step.Version
			}
			return 0
		}),
		each(all, func(t *entry) string { return t.step.Status }),
		each(all, func(t *entry) string { return t.step.ErrorCode }),
		details,
		each(all, func(t *entry) int16 { return lacks(&t.said) }),
	)
	return nil
}

// each returns one value of every element.
func each[T, E any](all []E, value func(*E) T) []T {
	out := make([]T, len(all))
	for i := range all {
		out[i] = value(&all[i])
	}
	return out
}

// detail is what a status event holds beside the row's state: the recipients.
func detail(s *events.Status) (*string, error) {
	if len(s.Recipients) == 0 {
		return nil, nil
	}
	v, err := json.Marshal(s.Recipients)
	if err != nil {
		return nil, fmt.Errorf("encoding recipients: %w", err)
	}
	text := string(v)
	return &text, nil
}

// ids returns the ids of a status event that may become known later.
func ids(s *events.Status) [4]*string {
	return [4]*string{&s.MessageID, &s.ProviderID, &s.CampaignID, &s.CustomerID}
}

// lacks returns a bit for each of them that was not known yet.
func lacks(s *events.Status) (bits int16) {
	for i, id := range ids(s) {
		if *id == "" {
			bits |= 1 << i
		}
	}
	return bits
}

// forget takes away what was not known yet.
func forget(s *events.Status, bits int16) {
	for i, id := range ids(s) {
		if bits>>i&1 == 1 {
			*id = ""
		}
	}
}

// replayStatement goes from the ids to the rows, one key after the other (OFFSET
// 0 keeps the planner from turning that round): a plan that starts from the
// tables is quadratic, and it is what a planner without statistics picks.
func replayStatement(table, channel string) string {
	return `
	SELECT m.id, coalesce(m.message_id::text, ''), coalesce(m.provider_id, ''), m.channel, coalesce(m.campaign_id::text, ''),
		coalesce(m.customer_id::text, ''), e.status, e.error_code, e.version, e.occurred_at, e.received_at, e.detail, e.lacks
	FROM unnest($2::text[], $3::timestamptz[]) AS k(event_id, applied_at)
	CROSS JOIN LATERAL (
		SELECT row_id, status, error_code, version, occurred_at, received_at, detail, lacks FROM events
		WHERE org_id = $1 AND event_id = k.event_id AND applied_at = k.applied_at AND version IS NOT NULL OFFSET 0) e
	CROSS JOIN LATERAL (
		SELECT id, message_id, provider_id, ` + channel + ` AS channel, campaign_id, customer_id FROM ` + table + `
		WHERE org_id = $1 AND id = e.row_id OFFSET 0) m
	ORDER BY e.version`
}

// queueReplay adds the query that rebuilds status events from the timeline.
func queueReplay(b *pgx.Batch, statement string, class func(string) string, org events.OrgID, r replays, out *[]events.Status) {
	b.Queue(statement, org, r.ids, r.at).Query(func(rows pgx.Rows) error {
		s := events.Status{Org: org}
		var detail []byte
		var missing int16
		_, err := pgx.ForEachRow(rows, []any{
			&s.ID, &s.MessageID, &s.ProviderID, &s.Channel, &s.CampaignID, &s.CustomerID,
			&s.Status, &s.ErrorCode, &s.Version, &s.OccurredAt, &s.ReceivedAt, &detail, &missing,
		}, func() error {
			one := s
			one.ErrorClass = class(s.ErrorCode)
			one.ReceivedAt = s.ReceivedAt.UTC()
			forget(&one, missing)
			if detail != nil {
				if err := json.Unmarshal(detail, &one.Recipients); err != nil {
					return fmt.Errorf("reading recipients: %w", err)
				}
			}
			*out = append(*out, one)
			return nil
		})
		return err
	})
}
