package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/email"
	"waybill/internal/history"
	"waybill/internal/messaging"
	"waybill/internal/postgres/dbq"
	"waybill/internal/voice"
)

// standings lists where every receipt stands, so far as it was written since a
// time. What is held is always listed: it may wait for longer.
const standings = `
	SELECT receipt_id, 'final', outcome FROM event_ids WHERE applied_at >= $1
	UNION ALL SELECT receipt_id, 'held', state FROM held_events
	UNION ALL SELECT receipt_id, 'duplicate', '' FROM event_duplicates WHERE received_at >= $1`

// Standings calls fn with where every receipt stands that was settled since a
// time, in one consistent view and no order; a receipt may come more than once.
// It reads whole tables and keeps nothing in memory.
func (s *Inspect) Standings(ctx context.Context, since time.Time, fn func(history.Standing)) error {
	return s.db.snapshot(ctx, "reading what became of every receipt", true, func(tx pgx.Tx, _ *dbq.Queries) error {
		rows, err := tx.Query(ctx, standings, since)
		if err != nil {
			return err
		}
		var st history.Standing
		var class string
		_, err = pgx.ForEachRow(rows, []any{&st.Receipt, &class, &st.Outcome}, func() error {
			st.Class = classes[class]
			fn(st)
			return nil
		})
		return err
	})
}

var classes = map[string]history.Class{"final": history.Final, "held": history.HeldNow, "duplicate": history.Duplicate}

// terminal returns the statuses that close a message or call, of every channel.
// None of them is open in another one.
func terminal() []string {
	var all []string
	for _, s := range messaging.Statuses() {
		if s.Terminal {
			all = append(all, s.Name)
		}
	}
	for _, s := range email.Statuses() {
		if s.Terminal {
			all = append(all, s.Name)
		}
	}
	for _, s := range voice.Statuses() {
		if s.Terminal {
			all = append(all, s.Name)
		}
	}
	return all
}

// recount compares every campaign's counters with its rows and returns what
// differs.
const recount = `
	WITH counted AS (
		SELECT org_id, campaign_id, medium, status, sum(messages) AS n FROM campaign_counters GROUP BY 1, 2, 3, 4
		UNION ALL SELECT org_id, campaign_id, 'open', to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:00'), sum(messages) FROM campaign_open GROUP BY 1, 2, hour),
	recounted AS (
		SELECT org_id, campaign_id, CASE kind WHEN 'sms_message' THEN 'sms' WHEN 'email_message' THEN 'email' ELSE 'voice' END AS medium, status, count(*) AS n
		FROM resources WHERE campaign_id IS NOT NULL GROUP BY 1, 2, 3, 4
		UNION ALL
		SELECT org_id, campaign_id, 'open', to_char(date_trunc('hour', received_at, 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:00'), count(*)
		FROM resources WHERE campaign_id IS NOT NULL AND NOT (status = ANY($1)) GROUP BY 1, 2, 4)
	SELECT org_id, campaign_id, CASE medium WHEN 'open' THEN 'open since ' || status ELSE status END, coalesce(c.n, 0)::bigint, coalesce(r.n, 0)::bigint
	FROM counted c FULL JOIN recounted r USING (org_id, campaign_id, medium, status)
	WHERE coalesce(c.n, 0) <> coalesce(r.n, 0)
	ORDER BY 1, 2, 3`

// countCampaigns counts one that goes by several channels once.
const countCampaigns = `
	SELECT count(*) FROM (
		SELECT org_id, id FROM sms_campaigns UNION SELECT org_id, id FROM email_campaigns UNION SELECT org_id, id FROM voice_campaigns) c`

// Recount compares every campaign's counters with its rows, in one consistent
// view. It returns how many campaigns there are and every difference.
func (s *Inspect) Recount(ctx context.Context) (campaigns int, differences []history.Difference, err error) {
	err = s.db.snapshot(ctx, "recounting campaigns", true, func(tx pgx.Tx, _ *dbq.Queries) error {
		if err := tx.QueryRow(ctx, countCampaigns).Scan(&campaigns); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, recount, terminal())
		if err != nil {
			return err
		}
		differences, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d history.Difference, err error) {
			return d, row.Scan((*string)(&d.Org), &d.CampaignID, &d.Status, &d.Counter, &d.Recounted)
		})
		return err
	})
	return campaigns, differences, err
}
