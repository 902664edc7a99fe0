package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/postgres/dbq"
	"waybill/internal/tenantmap"
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
	err := s.db.snapshot(ctx, "listing held events", false, func(tx pgx.Tx, q *dbq.Queries) error {
		if _, err := tx.Exec(ctx, planForValues); err != nil {
			return err
		}
		ids, err := newest(ctx, tx, &f, most)
		if err != nil {
			return err
		}
		rows, err := q.ListHeld(ctx, notNil(ids))
		all = heldOf(rows)
		return err
	})
	return all, err
}

// heldChunk is how many held events one transaction changes: few enough that
// the router is not kept waiting for their locks.
const heldChunk = 1000

// ChangeHeld does what is ordered to up to a chunk of the held events that are
// meant, those behind the event id after, in order of their ids, and puts it on
// record. It returns how many by state, and the last id that it looked at; ""
// means that there are no more.
func (s *Held) ChangeHeld(ctx context.Context, o *history.HeldOrder, after string) (change history.HeldChange, last string, err error) {
	err = s.db.asOperator(ctx, "changing held events", func(tx pgx.Tx, q *dbq.Queries) error {
		change, last = history.HeldChange{}, ""
		var chosen []chosenEvent
		var err error
		if chosen, last, err = choose(ctx, tx, o, after); err != nil || len(chosen) == 0 {
			return err
		}
		ids := count(chosen, change)
		switch {
		case o.DryRun:
			return nil
		case o.Act == history.ActDismiss:
			err = dismiss(ctx, q, ids)
		default:
			err = q.SetReady(ctx, ids)
		}
		if err != nil {
			return err
		}
		return recordActs(ctx, tx, o, "", chosen)
	})
	return change, last, err
}

// chosenEvent is a held event that is acted on.
type chosenEvent struct {
	ID       string
	State    events.Outcome
	Reason   string
	Provider events.Provider
}

// choose locks the next events that an order is about, in order; for a dry run
// it only reads them.
func choose(ctx context.Context, tx pgx.Tx, o *history.HeldOrder, after string) (chosen []chosenEvent, last string, err error) {
	if _, err := tx.Exec(ctx, planForValues); err != nil {
		return nil, "", err
	}
	ids, err := look(ctx, tx, &o.Filter, after, lookChunk)
	if err != nil || len(ids) == 0 {
		return nil, "", err
	}
	where, args := meant(&o.Filter, []any{ids, heldChunk})
	if o.Act != history.ActDismiss {
		where = "NOT h.ready AND " + where
	}
	statement := "SELECT h.event_id, h.state, h.reason, h.provider FROM held_events h WHERE h.event_id = ANY($1) AND " + where + " ORDER BY h.event_id LIMIT $2"
	if chosen, err = lockChosen(ctx, tx, o, statement, args...); err != nil {
		return nil, "", err
	}
	switch {
	case len(chosen) == heldChunk:
		last = chosen[len(chosen)-1].ID
	case len(ids) == lookChunk:
		last = ids[len(ids)-1]
	}
	return chosen, last, nil
}

func lockChosen(ctx context.Context, tx pgx.Tx, o *history.HeldOrder, statement string, args ...any) ([]chosenEvent, error) {
	if !o.DryRun {
		statement += " FOR UPDATE OF h"
	}
	rows, err := tx.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[chosenEvent])
}

// count adds events to a change and returns their ids.
func count(chosen []chosenEvent, change history.HeldChange) []string {
	ids := make([]string, len(chosen))
	for i, c := range chosen {
		ids[i] = c.ID
		change[c.State]++
	}
	return ids
}

// AssignHeld releases the events of an order, which has their ids, to an
// organisation: all of them or none. It returns how many by state.
func (s *Held) AssignHeld(ctx context.Context, o *history.HeldOrder, org events.OrgID) (change history.HeldChange, err error) {
	err = s.db.asOperator(ctx, "releasing held events to an organisation", func(tx pgx.Tx, q *dbq.Queries) error {
		change = history.HeldChange{}
		erased, err := q.OrgErased(ctx, string(org))
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return notFound(noSuchOrg)
		case err != nil:
			return err
		case erased:
			return refuse("org_erased", erasedOrg)
		}
		const named = "SELECT h.event_id, h.state, h.reason, h.provider FROM held_events h WHERE h.event_id = ANY($1) ORDER BY h.event_id"
		chosen, err := lockChosen(ctx, tx, o, named, o.Filter.IDs)
		if err != nil {
			return err
		}
		for _, id := range o.Filter.IDs {
			i := slices.IndexFunc(chosen, func(c chosenEvent) bool { return c.ID == id })
			if i < 0 {
				return notFound("no event " + id + " is held: nothing was released")
			}
			if why := tenantmap.NotAssignable(chosen[i].Provider, chosen[i].State, chosen[i].Reason); why != "" {
				return refuse("not_assignable", id+" "+why+": nothing was released")
			}
		}
		ids := count(chosen, change)
		if o.DryRun {
			return nil
		}
		err = q.Assign(ctx, dbq.AssignParams{Ids: ids, Org: string(org)})
		if code(err) == codeForeignKey { // erased in this moment
			return refuse("org_erased", erasedOrg)
		}
		if err != nil {
			return err
		}
		if err := q.SetReady(ctx, ids); err != nil {
			return err
		}
		return recordActs(ctx, tx, o, org, chosen)
	})
	return change, err
}

const erasedOrg = "this organisation was erased: nothing can be released to it"

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
