package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/campaign"
	"waybill/internal/events"
)

// Campaigns brings out the snapshots of campaigns whose counters changed.
// Its methods are called by one goroutine.
type Campaigns struct {
	db    *DB
	after dirtyCampaign // the last one looked at, so that every campaign has its turn
}

type dirtyCampaign struct {
	Org events.OrgID
	ID  string
}

// beforeAll lies before every campaign.
var beforeAll = dirtyCampaign{"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"}

// NewCampaigns returns the store over a pool of the worker's role.
func NewCampaigns(db *DB) *Campaigns { return &Campaigns{db: db, after: beforeAll} }

// snapshotLock is held by the one worker that publishes snapshots.
const snapshotLock = "waybill.snapshots"

// Lead takes the publisher's lock for as long as fn runs and returns true, or
// returns false at once when another process holds it.
func (c *Campaigns) Lead(ctx context.Context, fn func(context.Context) error) (bool, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	conn, err := c.db.pool.Acquire(ctx)
	if err != nil {
		return false, translate(err, "electing the publisher of snapshots")
	}
	defer conn.Release()
	var mine bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtext($1))", snapshotLock).Scan(&mine); err != nil || !mine {
		return false, translate(err, "electing the publisher of snapshots")
	}
	defer func() {
		// The lock must not outlive this use of the connection.
		unlock, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if _, err := conn.Exec(unlock, "SELECT pg_advisory_unlock(hashtext($1))", snapshotLock); err != nil {
			_ = conn.Conn().Close(unlock)
		}
	}()
	return true, fn(ctx)
}

const selectCells = `
	SELECT shard, status, messages, reached, version FROM campaign_counters WHERE org_id = $1 AND campaign_id = $2`

// Snapshots returns up to limit campaigns that changed since they were last
// published; the next call goes on behind them.
func (c *Campaigns) Snapshots(ctx context.Context, limit int, now time.Time) ([]events.CampaignSnapshot, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := c.db.pool.Query(ctx, "SELECT org_id, campaign_id FROM dirty_campaigns($1, $2, $3)", c.after.Org, c.after.ID, limit)
	if err != nil {
		return nil, translate(err, "looking for changed campaigns")
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[dirtyCampaign])
	if err != nil {
		return nil, translate(err, "looking for changed campaigns")
	}
	c.after = beforeAll
	if len(list) == limit {
		c.after = list[limit-1]
	}
	out := make([]events.CampaignSnapshot, 0, len(list))
	for _, d := range list {
		s, err := c.snapshot(ctx, d.Org, d.ID, now)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (c *Campaigns) snapshot(ctx context.Context, org events.OrgID, id string, now time.Time) (s events.CampaignSnapshot, err error) {
	err = c.db.InOrg(ctx, org, "reading a campaign's counters", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, selectCells, org, id)
		if err != nil {
			return err
		}
		s = events.CampaignSnapshot{}
		var cells []campaign.Counter
		var version, v int64
		cell := campaign.Counter{Cell: campaign.Cell{Org: org, Campaign: id}}
		_, err = pgx.ForEachRow(rows, []any{&cell.Shard, &cell.Status, &cell.Messages, &cell.Reached, &v}, func() error {
			cells = append(cells, cell)
			version += v
			s.Cells = append(s.Cells, events.CampaignCell{Shard: cell.Shard, Status: cell.Status, Version: v})
			return nil
		})
		s.CampaignStatus = campaign.Snapshot(org, id, cells, version, now)
		return err
	})
	return s, err
}

// markPublished names the version of every cell that was read: a cell that has
// moved on meanwhile stays to be published.
const markPublished = `
	UPDATE campaign_counters c SET published_version = u.v
	FROM unnest($3::smallint[], $4::text[], $5::bigint[]) AS u(h, s, v)
	WHERE c.org_id = $1 AND c.campaign_id = $2 AND c.shard = u.h AND c.status = u.s AND c.published_version < u.v`

// Published takes note that a snapshot is out.
func (c *Campaigns) Published(ctx context.Context, s *events.CampaignSnapshot) error {
	return c.db.InOrg(ctx, s.Org, "noting a published snapshot", func(tx pgx.Tx) error {
		shards, statuses, versions := make([]int16, len(s.Cells)), make([]string, len(s.Cells)), make([]int64, len(s.Cells))
		for i, cell := range s.Cells {
			shards[i], statuses[i], versions[i] = int16(cell.Shard), cell.Status, cell.Version //nolint:gosec // 0 to 3
		}
		_, err := tx.Exec(ctx, markPublished, s.Org, s.CampaignID, shards, statuses, versions)
		return err
	})
}
