package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
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
	var next int64
	err := o.db.pool.QueryRow(ctx,
		"SELECT next_offset FROM applied_offsets WHERE group_name = $1 AND topic = $2 AND partition = $3",
		o.group, topic, partition).Scan(&next)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return next, err == nil, translate(err, "reading the applied offset")
}

const upsertOffset = `
	INSERT INTO applied_offsets AS o (group_name, topic, partition, next_offset) VALUES ($1, $2, $3, $4)
	ON CONFLICT (group_name, topic, partition) DO UPDATE SET next_offset = excluded.next_offset, updated_at = now()
	WHERE o.next_offset < excluded.next_offset`

// Advance moves a position forward; a lower one is ignored.
func (o *Offsets) Advance(ctx context.Context, topic string, partition int, next int64) error {
	_, err := o.db.pool.Exec(ctx, upsertOffset, o.group, topic, partition, next)
	return translate(err, "advancing the applied offset")
}
