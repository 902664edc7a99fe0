package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// claimReady takes from those that it could take no more than are wanted in
// bytes, but one at least. Where the record is not kept here it is not known how
// long it is.
const claimReady = `
	WITH free AS (
		SELECT event_id, coalesce(octet_length(record), 65536) AS bytes FROM held_events
		WHERE ready AND (lease_until IS NULL OR lease_until < now())
		ORDER BY lease_until NULLS FIRST LIMIT $3 FOR UPDATE SKIP LOCKED),
	summed AS (SELECT event_id, bytes, sum(bytes) OVER (ROWS UNBOUNDED PRECEDING) AS bytes_so_far FROM free)
	UPDATE held_events SET lease_token = $1, lease_until = now() + $2::interval
	WHERE event_id IN (SELECT event_id FROM summed WHERE bytes_so_far <= $4 OR bytes_so_far = bytes)
	RETURNING event_id, raw_topic, raw_partition, raw_offset, record, ready_at`

// claimBytes is about how much memory the records of one claim take.
const claimBytes = 8 << 20

// ClaimReady leases up to limit ready events to the caller, fewer where their
// records are large. Nobody else gets them until the lease ends; the token
// proves it to [Routing.DeleteReleased].
func (r *Routing) ClaimReady(ctx context.Context, limit int, lease time.Duration) (token string, claims []tenantmap.Claim, err error) {
	token = uuid.NewString()
	err = r.db.inTx(ctx, "claiming held events", func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, claimReady, token, lease, limit, claimBytes)
		if err != nil {
			return err
		}
		claims, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c tenantmap.Claim, err error) {
			return c, row.Scan(&c.EventID, &c.Raw.Topic, &c.Raw.Partition, &c.Raw.Offset, &c.Record, &c.ReadyAt)
		})
		return err
	})
	return token, claims, err
}

const deleteReleased = `DELETE FROM held_events WHERE lease_token = $1 AND event_id = ANY($2)`

// DeleteReleased removes what was published anew under a lease. An event that
// was held again meanwhile has lost the lease and stays.
func (r *Routing) DeleteReleased(ctx context.Context, token string, ids []events.EventID) error {
	return r.db.inTx(ctx, "deleting released events", func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, deleteReleased, token, ids)
		return err
	})
}

const spoil = `
	UPDATE held_events h SET ready = false, reason = u.r, lease_token = NULL, lease_until = NULL
	FROM unnest($2::text[], $3::text[]) AS u(e, r) WHERE h.event_id = u.e AND h.lease_token = $1`

// Spoil ends the release of events that can never be published, each for its
// reason; they stay held.
func (r *Routing) Spoil(ctx context.Context, token string, reasons map[events.EventID]string) error {
	ids, why := make([]string, 0, len(reasons)), make([]string, 0, len(reasons))
	for id, reason := range reasons {
		ids, why = append(ids, string(id)), append(why, reason)
	}
	return r.db.inTx(ctx, "ending a release", func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, spoil, token, ids, why)
		return err
	})
}

// supersedeFinal also counts a receipt that is not the event's own.
const supersedeFinal = `
	WITH gone AS (
		DELETE FROM held_events h USING event_ids e WHERE e.event_id = h.event_id
		RETURNING h.event_id, h.receipt_id, h.received_at, e.receipt_id AS final)
	INSERT INTO event_duplicates (event_id, receipt_id, received_at)
	SELECT event_id, receipt_id, received_at FROM gone WHERE receipt_id <> final ON CONFLICT DO NOTHING`

// SupersedeFinal removes what is held of events that are final: an event was
// held in the moment in which a worker applied it.
func (r *Routing) SupersedeFinal(ctx context.Context) error {
	return r.db.inTx(ctx, "removing held events that are final", func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, supersedeFinal)
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
	err := r.db.inTx(ctx, "expiring parked events", func(ctx context.Context, tx pgx.Tx) error {
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
