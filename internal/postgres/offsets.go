package postgres

import (
	"context"
	"errors"

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

// Advance moves a position, and returns bus.ErrFenced when it is not where the
// caller believes: another member moved it, or the database was restored.
func (o *Offsets) Advance(ctx context.Context, f bus.Fence) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	tag, err := o.db.pool.Exec(ctx, advanceFence, o.group, f.Topic, f.Partition, f.At, f.Next)
	if err == nil && tag.RowsAffected() == 0 {
		return bus.ErrFenced
	}
	return translate(err, "advancing the applied offset")
}
