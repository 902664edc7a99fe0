package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// claimReady goes by event id from where the last claim ended: what was released
// before leaves dead entries behind in the index, and while a long transaction
// keeps them from being cleared each claim from the start would pass them all.
// It takes no more than are wanted in bytes, but one at least. Where the record
// is not kept here it is not known how long it is.
const claimReady = `
	WITH next AS MATERIALIZED (
		SELECT event_id, coalesce(octet_length(record), 65536) AS bytes FROM held_events
		WHERE ready AND event_id > $4 AND (lease_until IS NULL OR lease_until < now())
		ORDER BY event_id LIMIT $3 FOR UPDATE SKIP LOCKED),
	summed AS (SELECT event_id, bytes, sum(bytes) OVER (ORDER BY event_id) AS bytes_so_far FROM next),
	claimed AS (
		UPDATE held_events h SET lease_token = $1, lease_until = now() + $2::interval
		FROM summed n WHERE h.event_id = n.event_id AND (n.bytes_so_far <= $5 OR n.bytes_so_far = n.bytes)
		RETURNING h.event_id, h.raw_topic, h.raw_partition, h.raw_offset, h.record, h.provider, h.signer, h.state, h.ready_at)
	SELECT event_id, raw_topic, raw_partition, raw_offset, record, provider, signer, state, ready_at FROM claimed ORDER BY event_id`

// claimBytes is about how much memory the records of one claim take.
const claimBytes = 8 << 20

// unkeptBytes is what a record counts that is not kept here.
const unkeptBytes = 64 << 10

// ClaimReady leases up to limit ready events behind an event id to the caller,
// in order of their ids, fewer where their records are large. Nobody else gets
// them until the lease ends; the token proves it to [Routing.DeleteReleased].
func (r *Routing) ClaimReady(ctx context.Context, after events.EventID, limit int, lease time.Duration) (tenantmap.Claimed, error) {
	token := uuid.NewString()
	var claims []tenantmap.Claim
	err := r.db.inTx(ctx, "claiming held events", func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, claimReady, token, lease, limit, after, claimBytes)
		if err != nil {
			return err
		}
		claims, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c tenantmap.Claim, err error) {
			return c, row.Scan(&c.EventID, &c.Raw.Topic, &c.Raw.Partition, &c.Raw.Offset, &c.Record, &c.Signer.Provider, &c.Signer.Name, &c.State, &c.ReadyAt)
		})
		return err
	})
	bytes := 0
	for i := range claims {
		size := len(claims[i].Record)
		if size == 0 {
			size = unkeptBytes
		}
		bytes += size
	}
	// One that did not fit is no larger than a request may be, far below the half.
	return tenantmap.Claimed{Token: token, Claims: claims, More: len(claims) == limit || bytes > claimBytes/2}, err
}

const deleteReleased = `DELETE FROM held_events WHERE lease_token = $1 AND event_id = ANY($2)`

// DeleteReleased removes what was processed anew under a lease. An event that
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

// finalChunk is how many held events one sweep compares with what is final.
const finalChunk = 10_000

// supersedeFinal also counts a receipt that is not the event's own.
const supersedeFinal = `
	WITH looked AS MATERIALIZED (SELECT event_id FROM held_events WHERE event_id > $1 ORDER BY event_id LIMIT $2),
	final AS MATERIALIZED (
		SELECT e.event_id, e.receipt_id FROM looked l
		CROSS JOIN LATERAL (SELECT event_id, receipt_id FROM event_ids WHERE event_id = l.event_id OFFSET 0) e),
	gone AS (
		DELETE FROM held_events h USING final f WHERE h.event_id = f.event_id
		RETURNING h.event_id, h.receipt_id, h.received_at, f.receipt_id AS final),
	repeats AS (
		INSERT INTO event_duplicates (event_id, receipt_id, received_at)
		SELECT event_id, receipt_id, received_at FROM gone WHERE receipt_id <> final ON CONFLICT DO NOTHING)
	SELECT CASE count(*) WHEN $2 THEN max(event_id) ELSE '' END FROM looked`

// SupersedeFinal removes what is held of events that are final: an event was
// held in the moment in which a worker applied it. It looks at a chunk of the
// held events behind an event id, and returns where to go on; "" is the start.
func (r *Routing) SupersedeFinal(ctx context.Context, after events.EventID) (last events.EventID, err error) {
	err = r.db.inTx(ctx, "removing held events that are final", func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, supersedeFinal, after, finalChunk).Scan(&last)
	})
	return last, err
}

// expireParked looks at the oldest ten thousand: those that are ready already
// make way as they are released.
const expireParked = `
	UPDATE held_events SET state = 'dead', reason = CASE WHEN reason = ANY($3) THEN reason ELSE $2 END
	WHERE event_id IN (
		SELECT event_id FROM held_events WHERE event_id = ANY(ARRAY(
				SELECT event_id FROM held_events WHERE state = 'parked' AND received_at < $1 ORDER BY received_at LIMIT 10000))
			AND state = 'parked' AND NOT ready
		LIMIT 1000 FOR UPDATE SKIP LOCKED)`

// ExpireParked turns events that were received before t and are still parked
// into dead ones, up to a thousand; a late send still frees them.
func (r *Routing) ExpireParked(ctx context.Context, t time.Time) (int64, error) {
	var n int64
	err := r.db.inTx(ctx, "expiring parked events", func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, inOrder); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, expireParked, t, tenantmap.ReasonUnclaimed,
			[]string{tenantmap.ReasonRecordLost, tenantmap.ReasonRecordDamaged})
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// wakeHeld sets ready the next chunk of what waits for one key, if there is a
// key that many waited for when it was recorded. Nothing is added to these: the
// key is on record.
const wakeHeld = `
	WITH woken AS MATERIALIZED (SELECT key, done FROM held_wakes ORDER BY key LIMIT 1 FOR UPDATE SKIP LOCKED),
	next AS MATERIALIZED (
		SELECT n.event_id FROM woken w
		CROSS JOIN LATERAL (SELECT event_id FROM held_keys WHERE key = w.key AND event_id > w.done ORDER BY event_id LIMIT $1) n),
	freed AS (
		UPDATE held_events SET ready = true, ready_at = now(), retry_at = NULL WHERE event_id IN (
			SELECT event_id FROM held_events WHERE event_id = ANY(ARRAY(SELECT event_id FROM next)) AND NOT ready ORDER BY event_id FOR UPDATE)),
	onward AS (UPDATE held_wakes h SET done = (SELECT max(event_id) FROM next) FROM woken w WHERE h.key = w.key AND (SELECT count(*) FROM next) = $1),
	over AS (DELETE FROM held_wakes h USING woken w WHERE h.key = w.key AND (SELECT count(*) FROM next) < $1)
	SELECT count(*) FROM next`

// WakeHeld sets ready a chunk of the events that wait for a key which was
// recorded while very many did. It returns how many it looked at; 0 is the end.
func (r *Routing) WakeHeld(ctx context.Context) (n int64, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	err = r.db.pool.QueryRow(ctx, wakeHeld, heldChunk).Scan(&n)
	return n, translate(err, "releasing what waits for a key")
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
