package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/postgres/dbq"
	"waybill/internal/retention"
)

// Retention forgets what is older than it is to be kept. Functions of the
// database do it for the worker's role, and refuse what is too young.
type Retention struct{ db *DB }

// NewRetention returns the store over a pool of the worker's role.
func NewRetention(db *DB) *Retention { return &Retention{db} }

// eventIDParts is how many partitions event_ids has.
const eventIDParts = 16

// Relations returns where a table's rows lie.
func (s *Retention) Relations(t retention.Table) []string {
	switch t {
	case retention.EventIDs:
		parts := make([]string, eventIDParts)
		for i := range parts {
			parts[i] = fmt.Sprintf("event_ids_%02d", i)
		}
		return parts
	case retention.Timeline: // its days are dropped; this is what no day took
		return []string{"events_other"}
	case retention.Duplicates, retention.BillingPayload, retention.Map, retention.Conversations, retention.Requests:
		return []string{string(t)}
	case retention.Held, retention.Erased, retention.Acts, retention.Assignments: // not by pages
	}
	return nil
}

const takeTurn = `UPDATE retention_turns SET started_at = now() WHERE started_at <= now() - $1::interval`

// TakeTurn returns true for one of all who ask in so long a time.
func (s *Retention) TakeTurn(ctx context.Context, every time.Duration) (bool, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	tag, err := s.db.pool.Exec(ctx, takeTurn, every)
	return tag.RowsAffected() == 1, translate(err, "taking a turn at what has expired")
}

// pages of a table are looked at in one transaction: two megabytes, some
// twenty thousand rows.
const pages = 256

// ExpireRows forgets the rows of a few pages of a relation that are older than
// a time, from a page on. It returns how many, the oldest that is left in these
// pages (nil if none), and the page to go on with, -1 at the end.
func (s *Retention) ExpireRows(ctx context.Context, relation string, from int64, before time.Time) (n int64, oldest *time.Time, next int64, err error) {
	err = s.db.inTx(ctx, "expiring rows", func(ctx context.Context, tx pgx.Tx) error {
		var at *int64
		next = -1
		err := tx.QueryRow(ctx, "SELECT expired, oldest, next_page FROM expire_rows($1, $2, $3, $4)", relation, from, pages, before).Scan(&n, &oldest, &at)
		if at != nil {
			next = *at
		}
		return err
	})
	return n, oldest, next, err
}

// DropDay drops the oldest day of the timeline if it lies before a time. It
// returns whether it did, and the oldest day that is left, nil if none.
func (s *Retention) DropDay(ctx context.Context, before time.Time) (dropped bool, oldest *time.Time, err error) {
	err = s.db.inTx(ctx, "dropping a day of the timeline", func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT dropped, oldest FROM drop_event_day($1)", before).Scan(&dropped, &oldest)
	})
	return dropped, oldest, err
}

// pickExpiredHeld goes by the time of receiving, which has an index; an event
// is held a moment later. It looks at the oldest ten thousand of each state:
// those that are ready make way as they are released.
const pickExpiredHeld = `
	SELECT event_id FROM held_events WHERE event_id = ANY(ARRAY(
			(SELECT event_id FROM held_events WHERE state = 'dead' AND received_at < $1 ORDER BY received_at LIMIT 10000)
			UNION ALL (SELECT event_id FROM held_events WHERE state = 'quarantined' AND received_at < $1 ORDER BY received_at LIMIT 10000)))
		AND state IN ('dead', 'quarantined') AND NOT ready AND held_at < $1
	ORDER BY event_id LIMIT $2 FOR UPDATE SKIP LOCKED`

// ExpireHeld gives up dead and quarantined events that were held before a time:
// their outcome is ignored from then on, as if an operator had dismissed them.
// It returns how many, a chunk at most.
func (s *Retention) ExpireHeld(ctx context.Context, before time.Time) (n int64, err error) {
	err = s.db.inTx(ctx, "expiring held events", func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, inOrder); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, pickExpiredHeld, before, heldChunk)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		n = int64(len(ids))
		if err != nil || n == 0 {
			return err
		}
		return dismiss(ctx, dbq.New(tx), ids)
	})
	return n, err
}

// ExpireActs forgets a chunk of the acts on held events that are older than a
// time, and returns how many.
func (s *Retention) ExpireActs(ctx context.Context, before time.Time) (n int64, err error) {
	return s.expire(ctx, "expiring acts on held events", "SELECT expire_held_acts($1, $2)", before)
}

// ExpireAssignments forgets a chunk of what operators said of whose held events
// are, if that is older than a time and the events are held no longer. It
// returns how many.
func (s *Retention) ExpireAssignments(ctx context.Context, before time.Time) (n int64, err error) {
	return s.expire(ctx, "expiring assignments of held events", "SELECT expire_held_assignments($1, $2)", before)
}

func (s *Retention) expire(ctx context.Context, what, statement string, before time.Time) (n int64, err error) {
	err = s.db.inTx(ctx, what, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement, before, sweepChunk).Scan(&n)
	})
	return n, err
}

// sweepChunk is the most rows of a table that one sweep takes away.
const sweepChunk = 1000

// SweepErased takes away again what was written for organisations after they
// were erased. It returns how many rows.
func (s *Retention) SweepErased(ctx context.Context) (n int64, err error) {
	err = s.db.inTx(ctx, "sweeping erased organisations", func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT sweep_erased_organizations($1)", sweepChunk).Scan(&n)
	})
	return n, err
}
