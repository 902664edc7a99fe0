package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// Routing is the router's store: the tenant map and the events that wait.
type Routing struct{ db *DB }

// NewRouting returns the store over a pool of the router's role.
func NewRouting(db *DB) *Routing { return &Routing{db} }

// Settle decides events once every key that could decide otherwise is locked,
// and returns the decision for each, and how many held events it set ready.
// What still has no organisation is held; the ids of what has one are entered.
// Whoever records a key takes the same locks, so an event is either seen by the
// recorder or sees the record.
func (r *Routing) Settle(ctx context.Context, batch []tenantmap.Unsettled) (decisions []tenantmap.Decision, ready int64, err error) {
	if len(batch) == 0 {
		return nil, 0, nil
	}
	err = r.db.inTx(ctx, "settling events", func(ctx context.Context, tx pgx.Tx) error {
		s := settling{batch: batch, locked: map[tenantmap.Key]bool{}}
		var err error
		decisions, ready, err = s.run(ctx, tx)
		return err
	})
	return decisions, ready, err
}

// settling is one transaction that settles a batch.
type settling struct {
	batch     []tenantmap.Unsettled
	locked    map[tenantmap.Key]bool
	facts     tenantmap.Facts
	decisions []tenantmap.Decision
	entered   mappings
}

func (s *settling) run(ctx context.Context, tx pgx.Tx) ([]tenantmap.Decision, int64, error) {
	s.decisions = make([]tenantmap.Decision, len(s.batch))
	for i := range s.batch {
		s.decisions[i] = s.batch[i].Decision
	}
	// Under the locks a decision may turn out to depend on more than was
	// locked: an id is known by now, and its signer is not entitled.
	for keys := s.unlocked(); len(keys) > 0; keys = s.unlocked() {
		if err := lockKeys(ctx, tx, keys); err != nil {
			return nil, 0, err
		}
		if err := s.decide(ctx, tx); err != nil {
			return nil, 0, err
		}
	}
	if err := hold(ctx, tx, s.held()); err != nil {
		return nil, 0, err
	}
	if len(s.entered.rows) == 0 {
		return s.decisions, 0, nil
	}
	ready, err := s.entered.write(ctx, tx)
	return s.decisions, ready, err
}

// unlocked returns the keys that decisions depend on and that are not locked
// yet, and takes note that they will be.
func (s *settling) unlocked() []tenantmap.Key {
	var keys []tenantmap.Key
	for i := range s.batch {
		for _, k := range s.batch[i].Evidence.Awaits(s.decisions[i]) {
			if !s.locked[k] {
				s.locked[k] = true
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// decide decides every event of the batch, in order: an id that one enters is
// on record for the next.
func (s *settling) decide(ctx context.Context, tx pgx.Tx) error {
	seen := map[tenantmap.Key]bool{}
	var keys []tenantmap.Key
	for i := range s.batch {
		for _, k := range s.batch[i].Evidence.Keys() {
			if !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
		}
	}
	var err error
	if s.facts, _, err = lookup(ctx, tx, keys); err != nil {
		return err
	}
	if s.facts.Assigned, err = s.assigned(ctx, tx); err != nil {
		return err
	}
	s.entered = mappings{}
	for i := range s.batch {
		e := &s.batch[i].Evidence
		d := tenantmap.Resolve(e, &s.facts)
		s.decisions[i] = d
		if !d.Enter {
			continue
		}
		for _, k := range e.Resources {
			if _, known := s.facts.Mappings[k]; known || k.Kind != tenantmap.KeyResource {
				continue
			}
			m := tenantmap.Mapping{Org: d.Org, Row: d.Row, SentAt: d.SentAt}
			s.facts.Mappings[k] = m
			s.entered.add(k, m, e.Signer, "")
		}
	}
	return nil
}

const (
	lockHeld       = `SELECT event_id FROM held_events WHERE event_id = ANY($1) ORDER BY event_id FOR UPDATE`
	selectAssigned = `
	SELECT a.event_id, a.org_id FROM unnest($1::text[]) AS k(id)
	CROSS JOIN LATERAL (SELECT event_id, org_id FROM held_assignments WHERE event_id = k.id OFFSET 0) a`
)

// assigned returns whose events are by an operator's word. Who gives it locks
// the held events and sets them ready; so their rows are locked before it is
// read, or an event that is held again in this moment would lose the word.
func (s *settling) assigned(ctx context.Context, tx pgx.Tx) (map[events.EventID]events.OrgID, error) {
	ids := make([]string, len(s.batch))
	for i := range s.batch {
		ids[i] = string(s.batch[i].Held.EventID)
	}
	assigned := map[events.EventID]events.OrgID{}
	b := &pgx.Batch{}
	b.Queue(lockHeld, ids)
	b.Queue(selectAssigned, ids).Query(func(rows pgx.Rows) error {
		var id events.EventID
		var org events.OrgID
		_, err := pgx.ForEachRow(rows, []any{&id, &org}, func() error { assigned[id] = org; return nil })
		return err
	})
	return assigned, tx.SendBatch(ctx, b).Close()
}

// held returns what is held, each under the keys that could free it.
func (s *settling) held() []tenantmap.Held {
	var held []tenantmap.Held
	for i := range s.batch {
		d := s.decisions[i]
		if d.Outcome == "" {
			continue
		}
		u := &s.batch[i]
		h := u.Held
		h.State, h.Reason, h.Detail, h.Keys = d.Outcome, d.Reason, d.Detail, u.Evidence.Awaits(d)
		if u.Evidence.MayAgeInto(d) {
			h.RetryAt = u.AdoptAt
		}
		held = append(held, h)
	}
	return held
}

// lockPlaceholders makes a row for every key that has none and locks those that
// there are. It is one statement because the locks of two would not be taken in
// one order: a new key's before that of an older one which sorts first. The row
// of a conflict is locked although the condition lets nothing be written.
const lockPlaceholders = `
	INSERT INTO tenant_map AS t (key) SELECT k FROM unnest($1::text[]) AS k ORDER BY k
	ON CONFLICT (key) DO UPDATE SET recorded_at = t.recorded_at WHERE false`

// lockKeys makes sure that every key has a row and locks the rows in order.
// The order is the database's own, so that all who lock agree on it.
func lockKeys(ctx context.Context, tx pgx.Tx, keys []tenantmap.Key) error {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.String()
	}
	slices.Sort(texts)
	_, err := tx.Exec(ctx, lockPlaceholders, slices.Compact(texts))
	return err
}
