package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/internal/campaign"
	"waybill/internal/events"
)

// Campaigns brings out the snapshots of campaigns whose counters changed.
// Its method is called by one goroutine.
type Campaigns struct {
	db        *DB
	after     campaignID // the last one looked at, so that every campaign has its turn
	caughtUp  bool       // campaigns that others left unpublished were marked
	lateUntil time.Time  // the last hour whose open messages are known to be overdue
	unsure    *snapshots // published, perhaps behind a successor
}

type campaignID struct {
	Org events.OrgID
	ID  string
}

// beforeAll lies before every campaign.
var beforeAll = campaignID{"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"}

// NewCampaigns returns the store over a pool of the worker's role.
func NewCampaigns(db *DB) *Campaigns { return &Campaigns{db: db, after: beforeAll} }

// snapshotLock is held by the one worker that publishes snapshots.
const snapshotLock = "waybill.snapshots"

// Publish hands up to limit snapshots of campaigns that changed since they were
// last published to publish, and notes them as published when it returns nil.
// It does nothing if another process does this at the moment. The next call
// goes on behind the campaigns of this one. It returns how many were published.
//
// The marks of what changed are taken away over the connection that holds the
// lock: a publisher that lost its lock without knowing cannot take them away,
// and marks its campaigns once more, for it may have published behind its
// successor.
func (c *Campaigns) Publish(ctx context.Context, limit int, now time.Time, publish func([]events.CampaignStatus) error) (int, error) {
	const what = "publishing snapshots"
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := c.remark(ctx); err != nil {
		return 0, err
	}
	conn, err := c.db.pool.Acquire(ctx)
	if err != nil {
		return 0, translate(err, what)
	}
	defer conn.Release()
	var mine bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtext($1))", snapshotLock).Scan(&mine); err != nil || !mine {
		return 0, translate(err, what)
	}
	defer unlock(ctx, conn)
	if err := c.mark(ctx, conn, now); err != nil {
		return 0, translate(err, what)
	}
	s, err := c.read(ctx, conn, limit, now)
	if err != nil || len(s.list) == 0 {
		return 0, translate(err, what)
	}
	if err := publish(s.list); err != nil {
		return 0, err
	}
	if err := s.unmark(ctx, conn, now); err != nil {
		c.unsure = s
		return 0, translate(err, what)
	}
	return len(s.list), nil
}

// remark marks what was published without certainty of the lock.
func (c *Campaigns) remark(ctx context.Context) error {
	if c.unsure == nil {
		return nil
	}
	err := c.db.inTx(ctx, "marking campaigns", func(ctx context.Context, tx pgx.Tx) error {
		return inOrgs(ctx, tx, c.unsure.orgs, func(org events.OrgID, b *pgx.Batch) error {
			b.Queue(markCampaigns, org, c.unsure.ids[org])
			return nil
		})
	})
	if err == nil {
		c.unsure = nil
	}
	return err
}

// unlock makes sure that the lock does not outlive this use of the connection.
func unlock(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_unlock(hashtext($1))", snapshotLock); err != nil {
		_ = conn.Conn().Close(ctx)
	}
}

const (
	// touchCampaigns raises a version without a change of the numbers: what is
	// overdue is part of a snapshot and grows by the passing of time.
	touchCampaigns = `
		WITH touched AS (
			UPDATE campaign_counters c SET version = c.version + 1
			FROM (SELECT DISTINCT ON (campaign_id) campaign_id, shard, status FROM campaign_counters
				WHERE org_id = $1 AND campaign_id = ANY($2::uuid[]) ORDER BY campaign_id, shard, status) f
			WHERE c.org_id = $1 AND c.campaign_id = f.campaign_id AND c.shard = f.shard AND c.status = f.status
			RETURNING c.campaign_id, c.shard)
		INSERT INTO campaign_changes AS k (org_id, campaign_id, shard, changed_by)
		SELECT $1, campaign_id, shard, pg_current_xact_id() FROM touched ORDER BY 2, 3
		ON CONFLICT (org_id, campaign_id, shard) DO UPDATE SET changed_by = excluded.changed_by WHERE k.org_id = $1`
	markCampaigns = `
		INSERT INTO campaign_changes (org_id, campaign_id, shard, changed_by)
		SELECT $1, i, 0, pg_current_xact_id() FROM unnest($2::uuid[]) AS i ORDER BY i
		ON CONFLICT DO NOTHING`
)

// mark marks campaigns that no batch marked: at first those that others left
// unpublished, and every hour those whose messages became overdue.
func (c *Campaigns) mark(ctx context.Context, conn *pgxpool.Conn, now time.Time) error {
	if !c.caughtUp {
		if err := markAll(ctx, conn, markCampaigns, "SELECT org_id, campaign_id FROM unpublished_campaigns()"); err != nil {
			return err
		}
		c.caughtUp = true
	}
	until := campaign.LastOverdue(now)
	if c.lateUntil.IsZero() {
		c.lateUntil = until.Add(-campaign.OverdueAfter)
	}
	if !until.After(c.lateUntil) {
		return nil
	}
	if err := markAll(ctx, conn, touchCampaigns, "SELECT org_id, campaign_id FROM late_campaigns($1, $2)", c.lateUntil, until); err != nil {
		return err
	}
	c.lateUntil = until
	return nil
}

func markAll(ctx context.Context, conn *pgxpool.Conn, statement, which string, args ...any) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		orgs, ids, err := collect(ctx, tx, which, args...)
		if err != nil {
			return err
		}
		return inOrgs(ctx, tx, orgs, func(org events.OrgID, b *pgx.Batch) error {
			b.Queue(statement, org, ids[org])
			return nil
		})
	})
}

// collect groups campaigns by organisation, in order.
func collect(ctx context.Context, tx pgx.Tx, which string, args ...any) (orgs []events.OrgID, ids map[events.OrgID][]string, err error) {
	rows, err := tx.Query(ctx, which, args...)
	if err != nil {
		return nil, nil, err
	}
	ids = map[events.OrgID][]string{}
	var c campaignID
	_, err = pgx.ForEachRow(rows, []any{&c.Org, &c.ID}, func() error {
		if ids[c.Org] == nil {
			orgs = append(orgs, c.Org)
		}
		ids[c.Org] = append(ids[c.Org], c.ID)
		return nil
	})
	return orgs, ids, err
}

// read reads the campaigns that are marked, in one consistent view.
func (c *Campaigns) read(ctx context.Context, conn *pgxpool.Conn, limit int, now time.Time) (*snapshots, error) {
	s := &snapshots{tallies: map[campaignID]*tally{}}
	return s, pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		var err error
		if s.orgs, s.ids, err = collect(ctx, tx, "SELECT org_id, campaign_id FROM changed_campaigns($1, $2, $3)", c.after.Org, c.after.ID, limit); err != nil {
			return err
		}
		n := 0
		c.after = beforeAll
		for _, org := range s.orgs {
			for _, id := range s.ids[org] {
				s.tallies[campaignID{org, id}] = &tally{}
				if n++; n == limit {
					c.after = campaignID{org, id}
				}
			}
		}
		return s.read(ctx, tx, now)
	})
}
