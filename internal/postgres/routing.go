package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"waybill/internal/tenantmap"
)

// Routing is the router's store: the tenant map and the events that wait.
type Routing struct{ db *DB }

// NewRouting returns the store over a pool of the router's role.
func NewRouting(db *DB) *Routing { return &Routing{db} }

// Park keeps events that still have no organisation once every key that could
// free them is locked, and returns the decision for each: those whose key was
// recorded meanwhile are not held but decided. Whoever records a key takes the
// same locks, so an event is either seen by the recorder or sees the record.
func (r *Routing) Park(ctx context.Context, parkings []tenantmap.Parking) ([]tenantmap.Decision, error) {
	if len(parkings) == 0 {
		return nil, nil
	}
	var decisions []tenantmap.Decision
	err := r.db.inTx(ctx, "parking events", func(ctx context.Context, tx pgx.Tx) error {
		var err error
		decisions, err = park(ctx, tx, parkings)
		return err
	})
	return decisions, err
}

func park(ctx context.Context, tx pgx.Tx, parkings []tenantmap.Parking) ([]tenantmap.Decision, error) {
	if err := lockKeys(ctx, tx, parkingKeys(parkings)); err != nil {
		return nil, err
	}
	return decideAndHold(ctx, tx, parkings)
}

func decideAndHold(ctx context.Context, tx pgx.Tx, parkings []tenantmap.Parking) ([]tenantmap.Decision, error) {
	facts, _, err := lookup(ctx, tx, parkingKeys(parkings))
	if err != nil {
		return nil, err
	}
	decisions := make([]tenantmap.Decision, len(parkings))
	var held []tenantmap.Held
	for i := range parkings {
		d := tenantmap.Resolve(&parkings[i].Evidence, &facts)
		decisions[i] = d
		if d.Outcome != "" {
			h := parkings[i].Held
			h.State, h.Reason = d.Outcome, d.Reason
			held = append(held, h)
		}
	}
	return decisions, hold(ctx, tx, held)
}

func parkingKeys(parkings []tenantmap.Parking) []tenantmap.Key {
	seen := map[tenantmap.Key]bool{}
	var keys []tenantmap.Key
	for i := range parkings {
		for _, k := range parkings[i].Evidence.Keys() {
			if !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
		}
	}
	return keys
}

const (
	insertPlaceholders = `INSERT INTO tenant_map (key) SELECT k FROM unnest($1::text[]) AS k ORDER BY k ON CONFLICT (key) DO NOTHING`
	lockPlaceholders   = `SELECT key FROM tenant_map WHERE key = ANY($1) ORDER BY key FOR SHARE`
)

// lockKeys makes sure that every key has a row and locks the rows in order.
// The order is the database's own, so that all who lock agree on it. A row that
// expires between the two statements is not locked by the second: then the
// transaction begins anew, and makes a row that is too young to expire. Making
// it here, behind locks that are held already, could meet a recorder's.
func lockKeys(ctx context.Context, tx pgx.Tx, keys []tenantmap.Key) error {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.String()
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	locked := 0
	b := &pgx.Batch{}
	b.Queue(insertPlaceholders, texts)
	b.Queue(lockPlaceholders, texts).Exec(func(tag pgconn.CommandTag) error {
		locked = int(tag.RowsAffected())
		return nil
	})
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if locked != len(texts) {
		return errRace
	}
	return nil
}
