package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/history"
)

// Which held events a filter means is found out by looking at so many at a time
// and keeping those that are meant: whatever a filter selects of however many,
// no statement takes longer than for a lookChunk. Where the looking goes on is
// told by the last event that was looked at.
const lookChunk = 5000

const (
	// planForValues has the transaction's statements planned for the values that
	// they are run with: a filter's plan must not be kept for another one's.
	planForValues = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true)"
	// inOrder has statements follow an index in its order, until anyOrder. Those
	// that take the first of very many would gather them all and sort, in a table
	// whose rows nobody has counted since it grew.
	inOrder  = "SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)"
	anyOrder = "SELECT set_config('enable_bitmapscan', 'on', true), set_config('enable_sort', 'on', true)"
)

// ordered runs a statement in the order of an index.
func ordered[T any](ctx context.Context, tx pgx.Tx, as pgx.RowToFunc[T], statement string, args ...any) (all []T, err error) {
	if _, err := tx.Exec(ctx, inOrder); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	if all, err = pgx.CollectRows(rows, as); err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, anyOrder)
	return all, err
}

// ofKeys is true for events that name one of the keys or wait for it. It is
// looked up event by event: PostgreSQL would gather all that wait for a key.
const ofKeys = "(h.named_key = ANY(%[1]s) OR EXISTS (SELECT FROM held_keys k WHERE k.event_id = h.event_id AND k.key = ANY(%[1]s) OFFSET 0))"

// meant returns the conditions of a filter on held_events as h, after those
// arguments that the statement has already. The ids are not among them.
func meant(f *history.HeldFilter, args []any) (sql string, all []any) {
	all = args
	var conditions []string
	add := func(condition string, value any) {
		all = append(all, value)
		conditions = append(conditions, fmt.Sprintf(condition, fmt.Sprintf("$%d", len(all))))
	}
	if f.State != "" {
		add("h.state = %s", string(f.State))
	}
	if f.Reason != "" {
		add("h.reason = %s", f.Reason)
	}
	if f.Provider != "" {
		add("h.provider = %s", string(f.Provider))
	}
	if !f.Since.IsZero() {
		add("h.received_at >= %s", f.Since)
	}
	if !f.Before.IsZero() {
		add("h.received_at < %s", f.Before)
	}
	if f.Org != "" {
		add(signedForOrg, string(f.Org))
	}
	if len(f.Keys) > 0 {
		add(ofKeys, f.Keys)
	}
	if len(conditions) == 0 {
		return "true", all
	}
	return strings.Join(conditions, " AND "), all
}

const (
	lookIDs = `SELECT i FROM unnest($1::text[]) AS i WHERE i > $2 ORDER BY i LIMIT $3`
	// Both ways to hold under a key go by an index of their own. The named ones
	// are few, and fenced off from the order, for which the planner would read
	// the table by its primary key.
	lookKeys = `
		SELECT event_id FROM (
			SELECT k.event_id FROM unnest($1::text[]) AS q(key)
			CROSS JOIN LATERAL (SELECT event_id FROM held_keys WHERE key = q.key AND event_id > $2 ORDER BY event_id LIMIT $3) k
			UNION
			SELECT n.event_id FROM unnest($1::text[]) AS q(key)
			CROSS JOIN LATERAL (SELECT event_id FROM held_events WHERE named_key = q.key OFFSET 0) n WHERE n.event_id > $2) c
		ORDER BY event_id LIMIT $3`
	lookAll = `SELECT event_id FROM held_events WHERE event_id > $1 ORDER BY event_id LIMIT $2`
)

// look returns the next events, in order of their ids, among which are all that
// a filter means; fewer than most at the end.
func look(ctx context.Context, tx pgx.Tx, f *history.HeldFilter, after string, most int) ([]string, error) {
	statement, args := lookAll, []any{after, most}
	switch {
	case len(f.IDs) > 0:
		statement, args = lookIDs, []any{f.IDs, after, most}
	case len(f.Keys) > 0:
		statement, args = lookKeys, []any{f.Keys, after, most}
	}
	return ordered(ctx, tx, pgx.RowTo[string], statement, args...)
}

// newest returns the ids of the newest held events that a filter means.
func newest(ctx context.Context, tx pgx.Tx, f *history.HeldFilter, most int) ([]string, error) {
	if len(f.IDs) > 0 || len(f.Keys) > 0 {
		few := max(lookChunk, len(f.IDs)) + 1
		ids, err := look(ctx, tx, f, "", few)
		if err != nil {
			return nil, err
		}
		if len(ids) < few {
			return newestOf(ctx, tx, f, ids, most)
		}
	}
	// All there are, or those of a key that very many have: the next one is near.
	var found []seen
	for _, state := range []events.Outcome{events.Parked, events.Quarantined, events.Dead} {
		if f.State != "" && f.State != state {
			continue
		}
		of, err := walk(ctx, tx, f, state, most)
		if err != nil {
			return nil, err
		}
		found = append(found, of...)
	}
	slices.SortFunc(found, func(a, b seen) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.id, b.id)) })
	ids := make([]string, 0, most)
	for _, s := range found[:min(most, len(found))] {
		ids = append(ids, s.id)
	}
	return ids, nil
}

// newestOf returns the newest of these events that a filter means.
func newestOf(ctx context.Context, tx pgx.Tx, f *history.HeldFilter, ids []string, most int) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	where, args := meant(f, []any{ids, most})
	rows, err := tx.Query(ctx, `SELECT h.event_id FROM held_events h WHERE h.event_id = ANY($1) AND `+where+` ORDER BY h.received_at DESC, h.event_id LIMIT $2`, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// seen is an event that was looked at.
type seen struct {
	id    string
	at    time.Time // received
	meant bool
	last  bool // of a whole chunk
}

// lookBack returns of the events of a state that were received earlier those
// that are meant, and the last that it looked at, if it looked at a whole chunk.
const lookBack = `
	SELECT event_id, received_at, meant, n = $5 FROM (
		SELECT h.event_id, h.received_at, coalesce(%s, false) AS meant, row_number() OVER () AS n FROM (
			SELECT event_id, received_at, state, reason, provider, signer, named_key FROM held_events
			WHERE state = $1 AND received_at <= $2 AND received_at >= $4 AND (received_at < $2 OR event_id > $3)
			ORDER BY received_at DESC, event_id LIMIT $5) h) looked
	WHERE meant OR n = $5`

// walk looks at the events of a state from the newest to the oldest until it
// has found enough.
func walk(ctx context.Context, tx pgx.Tx, f *history.HeldFilter, state events.Outcome, most int) (found []seen, err error) {
	from := seen{at: f.Before, last: true}
	if from.at.IsZero() {
		from.at = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	for from.last && len(found) < most {
		where, args := meant(f, []any{string(state), from.at, from.id, f.Since, lookChunk})
		looked, err := ordered(ctx, tx, func(row pgx.CollectableRow) (s seen, err error) {
			return s, row.Scan(&s.id, &s.at, &s.meant, &s.last)
		}, fmt.Sprintf(lookBack, where), args...)
		if err != nil {
			return nil, err
		}
		from.last = false
		for _, s := range looked {
			if s.last {
				from = s
			}
			if s.meant {
				found = append(found, s)
			}
		}
	}
	return found, nil
}
