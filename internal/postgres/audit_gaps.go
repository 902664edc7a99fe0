package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/history"
	"waybill/internal/postgres/dbq"
)

// gaps are what must not be, each with a statement that counts it since a time
// and names one. What may have expired is not missed (days of the timeline, ids
// of events after their 30 days), nor what an erased organisation took along.
var gaps = []struct{ what, statement string }{
	{"final events that no timeline holds", `
		SELECT count(*), coalesce(min(e.event_id), '') FROM event_ids e JOIN organizations o ON o.id = e.org_id AND o.erased_at IS NULL
		WHERE e.outcome IN ('applied', 'stale') AND e.applied_at >= greatest($1, coalesce((SELECT min(applied_at) FROM events), now() - interval '6 days'))
			AND NOT EXISTS (SELECT FROM events t WHERE t.org_id = e.org_id AND t.event_id = e.event_id AND t.applied_at = e.applied_at)`},
	{"final Stripe events that are not on record", `
		SELECT count(*), coalesce(min(e.event_id), '') FROM event_ids e
		WHERE e.org_id IS NULL AND e.outcome IN ('applied', 'stale') AND e.applied_at >= $1
			AND NOT EXISTS (SELECT FROM billing_events b WHERE b.event_id = e.event_id)`},
	{"timeline entries without a final outcome", `
		SELECT count(*), coalesce(min(t.event_id), '') FROM events t
		WHERE t.applied_at >= greatest($1, now() - interval '29 days')
			AND NOT EXISTS (SELECT FROM event_ids e WHERE e.event_id = t.event_id AND e.org_id = t.org_id AND e.applied_at = t.applied_at)`},
	{"timeline entries without their row", `
		SELECT count(*), coalesce(min(t.event_id), '') FROM events t
		WHERE t.resource <> 'consent' AND t.applied_at >= $1
			AND NOT EXISTS (SELECT FROM resources r WHERE r.org_id = t.org_id AND r.id = t.row_id AND r.kind = t.resource)`},
	{"rows that are not where their last transition left them", `
		SELECT count(*), coalesce(min(r.org_id || '/' || r.id), '') FROM resources r
		JOIN (SELECT DISTINCT ON (org_id, row_id, resource) org_id, row_id, resource, version, status, error_code FROM events
			WHERE version IS NOT NULL ORDER BY org_id, row_id, resource, version DESC) t
			ON t.org_id = r.org_id AND t.row_id = r.id AND t.resource = r.kind
		WHERE (r.version, r.status, r.error_code) IS DISTINCT FROM (t.version, t.status, t.error_code) AND r.updated_at >= $1`},
	{"rows with a transition missing or twice", `
		SELECT count(*), coalesce(min(org_id || '/' || row_id), '') FROM (
			SELECT org_id, row_id FROM events WHERE version IS NOT NULL GROUP BY org_id, row_id, resource
			HAVING (count(*) <> max(version) - min(version) + 1 OR count(DISTINCT version) <> count(*))
				AND max(applied_at) >= $1) t`},
	{"events that are final and held at once", `
		SELECT count(*), coalesce(min(h.event_id), '') FROM held_events h JOIN event_ids e USING (event_id) WHERE e.applied_at >= $1`},
}

// Gaps counts what outcomes, timelines and rows disagree about, so far as it
// was settled since a time, in one consistent view. It reads whole tables.
func (s *Inspect) Gaps(ctx context.Context, since time.Time) (found []history.Gap, err error) {
	err = s.db.snapshot(ctx, "comparing outcomes, timelines and rows", true, func(tx pgx.Tx, _ *dbq.Queries) error {
		found = nil
		for _, g := range gaps {
			gap := history.Gap{What: g.what}
			if err := tx.QueryRow(ctx, g.statement, since).Scan(&gap.Count, &gap.Example); err != nil {
				return err
			}
			if gap.Count > 0 {
				found = append(found, gap)
			}
		}
		return nil
	})
	return found, err
}
