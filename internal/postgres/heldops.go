package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/postgres/dbq"
)

// Held is what operators do with events that have no home. It is safe for
// concurrent use.
type Held struct{ db *DB }

// NewHeld returns the store over a pool of the operator's role; listing works
// with the read-only role too.
func NewHeld(db *DB) *Held { return &Held{db} }

// HeldEvents returns held events that a filter selects, the newest first.
func (s *Held) HeldEvents(ctx context.Context, f history.HeldFilter, most int) ([]history.Held, error) {
	var all []history.Held
	err := s.db.snapshot(ctx, "listing held events", false, func(_ pgx.Tx, q *dbq.Queries) error {
		rows, err := q.ListHeld(ctx, dbq.ListHeldParams{
			Ids: notNil(f.IDs), State: string(f.State), Keys: notNil(f.Keys), Org: string(f.Org), Most: int32(most), //nolint:gosec // a small constant
		})
		all = heldOf(rows)
		return err
	})
	return all, err
}

// heldChunk is how many held events one transaction changes: few enough that
// the router is not kept waiting for their locks.
const heldChunk = 1000

// ChangeHeld does something to up to a chunk of the held events that a filter
// selects, those behind the event id after, in order of their ids. It returns
// how many by state, and the last id; a last id of "" means that there are no
// more. With dryRun it only counts.
func (s *Held) ChangeHeld(
	ctx context.Context, act history.HeldAct, f history.HeldFilter, after string, dryRun bool,
) (change history.HeldChange, last string, err error) {
	err = s.db.asOperator(ctx, "changing held events", func(_ pgx.Tx, q *dbq.Queries) error {
		change, last = history.HeldChange{}, ""
		rows, err := q.PickHeld(ctx, dbq.PickHeldParams{
			OnlyWaiting: act == history.ActReplay, After: after,
			Ids: notNil(f.IDs), State: string(f.State), Keys: notNil(f.Keys), Org: string(f.Org), Most: heldChunk,
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		ids := make([]string, len(rows))
		for i, r := range rows {
			ids[i] = r.EventID
			change[events.Outcome(r.State)]++
		}
		if len(rows) == heldChunk {
			last = ids[len(ids)-1]
		}
		switch {
		case dryRun:
			return nil
		case act == history.ActReplay:
			return q.SetReady(ctx, ids)
		}
		return dismiss(ctx, q, ids)
	})
	return change, last, err
}

// dismiss gives events the final outcome that nobody needs them, so that their
// receipts stay accounted for and repeats are repeats.
func dismiss(ctx context.Context, q *dbq.Queries, ids []string) error {
	if err := q.FinishDismissed(ctx, ids); err != nil {
		return err
	}
	if err := q.CountDismissedRepeats(ctx, ids); err != nil {
		return err
	}
	return q.DeleteHeld(ctx, ids)
}

// notNil returns an empty list for nil, which PostgreSQL would take for NULL.
func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
