package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/postgres/dbq"
)

// fewActs are put on record event by event whatever their state; of more only
// the quarantined ones are, where the border between organisations was in
// question. A million parked events that are released leave a thousand rows.
const fewActs = 100

const insertActs = `
	INSERT INTO held_acts (os_user, act, filter, note, org_id, event_id, events, state, reason)
	SELECT $1, $2, $3::jsonb, $4, $5::uuid, e, n, s, r FROM unnest($6::text[], $7::int[], $8::text[], $9::text[]) AS u(e, n, s, r)`

// recordActs puts on record what is done to events in this transaction; org is
// whom they are released to, "" for nobody in particular.
func recordActs(ctx context.Context, tx pgx.Tx, o *history.HeldOrder, org events.OrgID, chosen []chosenEvent) error {
	if len(chosen) == 0 {
		return nil
	}
	said, err := json.Marshal(o.Said)
	if err != nil {
		return fmt.Errorf("writing a filter down: %w", err)
	}
	each := len(chosen) <= fewActs || len(o.Filter.IDs) > 0
	var ids []*string
	var counts []int32
	var states, reasons []string
	rest := map[events.Outcome]int32{}
	for i := range chosen {
		c := &chosen[i]
		if !each && c.State != events.Quarantined {
			rest[c.State]++
			continue
		}
		ids, counts, states, reasons = append(ids, &c.ID), append(counts, 1), append(states, string(c.State)), append(reasons, c.Reason)
	}
	for state, n := range rest {
		ids, counts, states, reasons = append(ids, nil), append(counts, n), append(states, string(state)), append(reasons, "")
	}
	_, err = tx.Exec(ctx, insertActs, o.User, o.Act, said, o.Note, optional(string(org)), ids, counts, states, reasons)
	return err
}

// Acts returns what operators did to held events since a time, the newest
// first.
func (s *Held) Acts(ctx context.Context, since time.Time, most int) (all []history.Act, err error) {
	err = s.db.snapshot(ctx, "listing acts on held events", false, func(_ pgx.Tx, q *dbq.Queries) error {
		rows, err := q.ListActs(ctx, dbq.ListActsParams{Since: since, Most: int32(most)}) //nolint:gosec // a small constant
		all = make([]history.Act, 0, len(rows))
		for _, r := range rows {
			all = append(all, actOf(r))
		}
		return err
	})
	return all, err
}

// ActsOn returns what operators did to one event, the newest first; what they
// did to it in bulk stands in [Held.Acts] alone, unless it was quarantined.
func (s *Held) ActsOn(ctx context.Context, id events.EventID, most int) (all []history.Act, err error) {
	err = s.db.snapshot(ctx, "listing acts on a held event", false, func(_ pgx.Tx, q *dbq.Queries) error {
		rows, err := q.ActsOn(ctx, dbq.ActsOnParams{EventID: string(id), Most: int32(most)}) //nolint:gosec // a small constant
		all = make([]history.Act, 0, len(rows))
		for _, r := range rows {
			all = append(all, actOf(dbq.ListActsRow(r)))
		}
		return err
	})
	return all, err
}

func actOf(r dbq.ListActsRow) history.Act {
	return history.Act{
		At: r.ActedAt.UTC(), Act: history.HeldAct(r.Act), Operator: r.Operator, Application: r.Application, User: r.OsUser,
		Event: (*events.EventID)(r.EventID), Events: int(r.Events), State: events.Outcome(r.State), Reason: r.Reason,
		Org: (*events.OrgID)(r.OrgID), Filter: r.Filter, Note: r.Note,
	}
}
