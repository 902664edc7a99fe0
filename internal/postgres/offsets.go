package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/bus"
)

// Offsets keeps, in PostgreSQL, how far a group has come. After a restore to
// an earlier point in time it is what consumers go back to.
type Offsets struct {
	db    *DB
	group string
}

// NewOffsets returns the positions of one consumer group.
func NewOffsets(db *DB, group string) *Offsets { return &Offsets{db, group} }

// Next returns the offset behind the last record that was applied, false if
// the partition is new to this database.
func (o *Offsets) Next(ctx context.Context, topic string, partition int) (int64, bool, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var next int64
	err := o.db.pool.QueryRow(ctx,
		"SELECT next_offset FROM applied_offsets WHERE group_name = $1 AND topic = $2 AND partition = $3",
		o.group, topic, partition).Scan(&next)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return next, err == nil, translate(err, "reading the applied offset")
}

const plantFence = `
	INSERT INTO applied_offsets (group_name, topic, partition, next_offset) VALUES ($1, $2, $3, $4)
	ON CONFLICT DO NOTHING`

// Plant makes the partition's position known to the database if it is new, so
// that there is something to fence with.
func (o *Offsets) Plant(ctx context.Context, topic string, partition int, at int64) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := o.db.pool.Exec(ctx, plantFence, o.group, topic, partition, at)
	return translate(err, "planting the fence")
}

const advanceFences = `
	UPDATE applied_offsets o SET next_offset = f.next, updated_at = now()
	FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS f(topic, partition, at, next)
	WHERE o.group_name = $1 AND o.topic = f.topic AND o.partition = f.partition AND o.next_offset = f.at
	RETURNING now()`

// queueFences moves the positions of partitions, all or none: it fails with
// bus.ErrFenced when one is not where its fence says. now becomes the
// transaction's time.
func queueFences(b *pgx.Batch, group string, fences []bus.Fence, now *time.Time) {
	b.Queue(advanceFences, group,
		each(fences, func(f *bus.Fence) string { return f.Topic }),
		each(fences, func(f *bus.Fence) int32 { return int32(f.Partition) }), //nolint:gosec // a partition number
		each(fences, func(f *bus.Fence) int64 { return f.At }),
		each(fences, func(f *bus.Fence) int64 { return f.Next }),
	).Query(func(rows pgx.Rows) error {
		tag, err := pgx.ForEachRow(rows, []any{now}, func() error { return nil })
		if err == nil && tag.RowsAffected() != int64(len(fences)) {
			return bus.ErrFenced
		}
		return err
	})
}

// Advance moves positions, all or none, and returns bus.ErrFenced when one is not
// where the caller believes: another member moved it, or the database was restored.
func (o *Offsets) Advance(ctx context.Context, fences ...bus.Fence) error {
	return o.db.inTx(ctx, "advancing applied offsets", func(ctx context.Context, tx pgx.Tx) error {
		b := &pgx.Batch{}
		var now time.Time
		queueFences(b, o.group, fences, &now)
		return tx.SendBatch(ctx, b).Close()
	})
}
