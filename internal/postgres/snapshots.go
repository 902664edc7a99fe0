package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/internal/campaign"
	"waybill/internal/events"
)

// snapshots is a round of snapshots with the marks that led to them.
type snapshots struct {
	orgs    []events.OrgID
	ids     map[events.OrgID][]string
	tallies map[campaignID]*tally
	list    []events.CampaignStatus
}

// tally is what is on record of a campaign.
type tally struct {
	cells     []campaign.Counter
	version   int64
	open      [3]int64 // messages, by medium
	counted   [3]int64
	completed [3]*time.Time
	overdue   int64
	marks     []changeMark
}

// changeMark says which transaction was the last to change a shard.
type changeMark struct {
	shard int16
	by    string
}

const (
	selectMarks = `
		SELECT campaign_id, shard, changed_by::text FROM campaign_changes WHERE org_id = $1 AND campaign_id = ANY($2::uuid[])`
	selectCells = `
		SELECT campaign_id, shard, status, messages, reached, version FROM campaign_counters
		WHERE org_id = $1 AND campaign_id = ANY($2::uuid[])`
	selectOpen = `
		SELECT campaign_id, shard, sum(messages)::bigint, coalesce(sum(messages) FILTER (WHERE hour <= $3), 0)::bigint
		FROM campaign_open WHERE org_id = $1 AND campaign_id = ANY($2::uuid[]) GROUP BY 1, 2`
	selectCompleted = `
		SELECT id, 0, completed_at FROM sms_campaigns WHERE org_id = $1 AND id = ANY($2::uuid[]) AND completed_at IS NOT NULL
		UNION ALL
		SELECT id, 1, completed_at FROM email_campaigns WHERE org_id = $1 AND id = ANY($2::uuid[]) AND completed_at IS NOT NULL
		UNION ALL
		SELECT id, 2, completed_at FROM voice_campaigns WHERE org_id = $1 AND id = ANY($2::uuid[]) AND completed_at IS NOT NULL`
)

func (s *snapshots) read(ctx context.Context, tx pgx.Tx, now time.Time) error {
	late := campaign.LastOverdue(now)
	err := inOrgs(ctx, tx, s.orgs, func(org events.OrgID, b *pgx.Batch) error {
		ids := s.ids[org]
		of := func(id string) *tally { return s.tallies[campaignID{org, id}] }
		b.Queue(selectMarks, org, ids).Query(func(rows pgx.Rows) error {
			var id string
			var m changeMark
			return scanEach(rows, []any{&id, &m.shard, &m.by}, func() { of(id).marks = append(of(id).marks, m) })
		})
		b.Queue(selectCells, org, ids).Query(func(rows pgx.Rows) error {
			c := campaign.Counter{Cell: campaign.Cell{Org: org}}
			var version int64
			return scanEach(rows, []any{&c.Campaign, &c.Shard, &c.Status, &c.Messages, &c.Reached, &version}, func() {
				t := of(c.Campaign)
				t.cells = append(t.cells, c)
				t.version += version
				t.counted[campaign.MediumOf(c.Shard)] += c.Messages
			})
		})
		b.Queue(selectOpen, org, ids, late).Query(func(rows pgx.Rows) error {
			var id string
			var shard int
			var open, overdue int64
			return scanEach(rows, []any{&id, &shard, &open, &overdue}, func() {
				of(id).open[campaign.MediumOf(shard)] += open
				of(id).overdue += overdue
			})
		})
		b.Queue(selectCompleted, org, ids).Query(func(rows pgx.Rows) error {
			var id string
			var m campaign.Medium
			var at time.Time
			return scanEach(rows, []any{&id, &m, &at}, func() { of(id).completed[m] = new(at.UTC()) })
		})
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.complete(ctx, tx, now); err != nil {
		return err
	}
	for _, org := range s.orgs {
		for _, id := range s.ids[org] {
			s.list = append(s.list, s.tallies[campaignID{org, id}].snapshot(org, id, now))
		}
	}
	return nil
}

func scanEach(rows pgx.Rows, into []any, fn func()) error {
	_, err := pgx.ForEachRow(rows, into, func() error { fn(); return nil })
	return err
}

// setCompleted has a statement for each medium.
var setCompleted = [3]string{
	campaign.SMS:   "UPDATE sms_campaigns SET completed_at = $3 WHERE org_id = $1 AND id = $2",
	campaign.Email: "UPDATE email_campaigns SET completed_at = $3 WHERE org_id = $1 AND id = $2",
	campaign.Voice: "UPDATE voice_campaigns SET completed_at = $3 WHERE org_id = $1 AND id = $2",
}

// complete notes when a campaign has no open message left, and takes the note
// back when another is sent.
func (s *snapshots) complete(ctx context.Context, tx pgx.Tx, now time.Time) error {
	return inOrgs(ctx, tx, s.orgs, func(org events.OrgID, b *pgx.Batch) error {
		for _, id := range s.ids[org] {
			t := s.tallies[campaignID{org, id}]
			for m := range t.completed {
				done := t.counted[m] > 0 && t.open[m] == 0
				if done == (t.completed[m] != nil) {
					continue
				}
				t.completed[m] = nil
				if done {
					t.completed[m] = new(events.Millis(now))
				}
				b.Queue(setCompleted[m], org, id, t.completed[m])
			}
		}
		return nil
	})
}

func (t *tally) snapshot(org events.OrgID, id string, now time.Time) events.CampaignStatus {
	s := campaign.Snapshot(org, id, t.cells, t.version, now)
	s.Overdue = t.overdue
	for m := range t.completed {
		switch at := t.completed[m]; {
		case t.counted[m] == 0:
		case at == nil:
			s.CompletedAt = nil
			return s
		case s.CompletedAt == nil || at.After(*s.CompletedAt):
			s.CompletedAt = at
		}
	}
	return s
}

const (
	// A shard that was changed again since it was read keeps its mark, also
	// while that change is not yet committed.
	deleteMarks = `
		DELETE FROM campaign_changes WHERE org_id = $1 AND (campaign_id, shard) IN (
			SELECT k.campaign_id, k.shard FROM unnest($2::uuid[], $3::smallint[], $4::text[]) AS u(i, h, x)
			JOIN campaign_changes k ON k.org_id = $1 AND k.campaign_id = u.i AND k.shard = u.h AND k.changed_by = u.x::xid8
			FOR UPDATE OF k SKIP LOCKED)`
	notePublished = `
		INSERT INTO campaign_snapshots AS s (org_id, campaign_id, version, published_at)
		SELECT $1, i, v, $4 FROM unnest($2::uuid[], $3::bigint[]) AS u(i, v) ORDER BY i
		ON CONFLICT (org_id, campaign_id) DO UPDATE SET version = excluded.version, published_at = excluded.published_at
		WHERE s.org_id = $1`
	// Hours without a message are of no use once all of the campaign is over.
	deleteHours = `DELETE FROM campaign_open WHERE org_id = $1 AND campaign_id = ANY($2::uuid[]) AND messages = 0`
)

// unmark notes the snapshots as published.
func (s *snapshots) unmark(ctx context.Context, conn *pgxpool.Conn, now time.Time) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		return inOrgs(ctx, tx, s.orgs, func(org events.OrgID, b *pgx.Batch) error {
			var marked, marks []string
			var shards []int16
			var versions []int64
			var done []string
			for _, id := range s.ids[org] {
				t := s.tallies[campaignID{org, id}]
				for _, m := range t.marks {
					marked, shards, marks = append(marked, id), append(shards, m.shard), append(marks, m.by)
				}
				versions = append(versions, t.version)
				if t.open == [3]int64{} {
					done = append(done, id)
				}
			}
			b.Queue(deleteMarks, org, marked, shards, marks)
			b.Queue(notePublished, org, s.ids[org], versions, now)
			if len(done) > 0 {
				b.Queue(deleteHours, org, done)
			}
			return nil
		})
	})
}
