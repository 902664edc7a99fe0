package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/tenantmap"
)

const retryDue = `
	UPDATE held_events SET ready = true, ready_at = now(), retry_at = NULL
	WHERE event_id IN (SELECT event_id FROM held_events WHERE retry_at <= $1 ORDER BY retry_at LIMIT 1000 FOR UPDATE SKIP LOCKED)`

// RetryDue sets events ready that are to be tried again by now, up to a
// thousand, and returns how many.
func (r *Routing) RetryDue(ctx context.Context, now time.Time) (n int64, err error) {
	err = r.db.inTx(ctx, "retrying held events", func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, retryDue, now)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

const countKept = `SELECT provider, signer, count(*) FROM held_events WHERE record IS NOT NULL AND state = 'parked' GROUP BY provider, signer`

// CountKept returns how many parked events of each signer keep their record.
func (r *Routing) CountKept(ctx context.Context) (map[tenantmap.Signer]int, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.db.pool.Query(ctx, countKept)
	if err != nil {
		return nil, translate(err, "counting parked events")
	}
	kept := map[tenantmap.Signer]int{}
	var s tenantmap.Signer
	var n int
	_, err = pgx.ForEachRow(rows, []any{&s.Provider, &s.Name, &n}, func() error { kept[s] = n; return nil })
	return kept, translate(err, "counting parked events")
}
