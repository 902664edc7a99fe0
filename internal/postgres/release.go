package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

const claimReady = `
	UPDATE held_events SET lease_token = $1, lease_until = now() + $2::interval
	WHERE event_id IN (
		SELECT event_id FROM held_events WHERE ready AND (lease_until IS NULL OR lease_until < now())
		ORDER BY lease_until NULLS FIRST LIMIT $3 FOR UPDATE SKIP LOCKED)
	RETURNING event_id, raw_topic, raw_partition, raw_offset, record`

// ClaimReady leases up to limit ready events to the caller. Nobody else gets
// them until the lease ends; the token proves it to [Routing.DeleteReleased].
func (r *Routing) ClaimReady(ctx context.Context, limit int, lease time.Duration) (token string, claims []tenantmap.Claim, err error) {
	token = uuid.NewString()
	err = r.db.inTx(ctx, "claiming held events", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, claimReady, token, lease, limit)
		if err != nil {
			return err
		}
		claims, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c tenantmap.Claim, err error) {
			return c, row.Scan(&c.EventID, &c.Raw.Topic, &c.Raw.Partition, &c.Raw.Offset, &c.Record)
		})
		return err
	})
	return token, claims, err
}

const deleteReleased = `DELETE FROM held_events WHERE lease_token = $1 AND event_id = ANY($2)`

// DeleteReleased removes what was published anew under a lease. An event that
// was held again meanwhile has lost the lease and stays.
func (r *Routing) DeleteReleased(ctx context.Context, token string, ids []events.EventID) error {
	return r.db.inTx(ctx, "deleting released events", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, deleteReleased, token, ids)
		return err
	})
}

const expireParked = `
	UPDATE held_events SET state = 'dead', reason = $2
	WHERE event_id IN (
		SELECT event_id FROM held_events WHERE state = 'parked' AND NOT ready AND received_at < $1
		ORDER BY received_at LIMIT 1000 FOR UPDATE SKIP LOCKED)`

// ExpireParked turns events that were received before t and are still parked
// into dead ones, up to a thousand; a late send still frees them.
func (r *Routing) ExpireParked(ctx context.Context, t time.Time) (int64, error) {
	var n int64
	err := r.db.inTx(ctx, "expiring parked events", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, expireParked, t, tenantmap.ReasonUnclaimed)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

const countHeld = `
	SELECT state, count(*), coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8 FROM held_events GROUP BY state`

// CountHeld returns the held events by state; a state without any is absent.
func (r *Routing) CountHeld(ctx context.Context) ([]tenantmap.HeldState, error) {
	rows, err := r.db.pool.Query(ctx, countHeld)
	if err != nil {
		return nil, translate(err, "counting held events")
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[tenantmap.HeldState])
	return out, translate(err, "counting held events")
}
