package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/billing"
	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/fault"
)

// Billing applies Stripe's events. They are global: no organisation is set, and
// none of the organisations' tables is touched.
type Billing struct {
	db    *DB
	group string
}

// NewBilling returns the store over a pool of the worker's role.
func NewBilling(db *DB, group string) *Billing { return &Billing{db, group} }

// Apply applies a batch of some partitions in one transaction. Every event is
// kept with its payload, also those whose type nobody needs yet.
func (s *Billing) Apply(ctx context.Context, fences []bus.Fence, batch []events.Billing) (events.Effect, error) {
	var res events.Effect
	err := s.db.inTx(ctx, "applying billing events", func(ctx context.Context, tx pgx.Tx) error {
		res = events.Effect{Outcomes: map[events.Outcome]int{}}
		occs := make([]occurrence, len(batch))
		for i := range batch {
			occs[i] = occurrence{id: batch[i].EventID, receipt: batch[i].Receipt, at: batch[i].ReceivedAt}
		}
		l, err := openLedger(ctx, tx, s.group, fences, occs)
		if err != nil {
			return err
		}
		var todo []*events.Billing
		for i := range batch {
			switch l.judge(occs[i]) {
			case fresh:
				todo = append(todo, &batch[i])
			case duplicate:
				res.Duplicates++
			case redelivery: // nobody is told of billing events, so there is nothing to repeat
			}
		}
		finals, err := applyBilling(ctx, tx, l.now, todo)
		if err != nil {
			return err
		}
		for i := range finals {
			res.Outcomes[finals[i].outcome]++
		}
		return l.close(ctx, tx, occs, finals)
	})
	return res, err
}

// objectKey names an object: Stripe's test and live ids are apart.
type objectKey struct{ kind, mode, id string }

type objectRow struct {
	row           billing.Object
	exists, dirty bool
}

func applyBilling(ctx context.Context, tx pgx.Tx, now time.Time, todo []*events.Billing) ([]final, error) {
	if len(todo) == 0 {
		return nil, nil
	}
	rows, err := lockObjects(ctx, tx, todo)
	if err != nil {
		return nil, err
	}
	b := &pgx.Batch{}
	finals := make([]final, 0, len(todo))
	for _, e := range todo {
		step := billing.Step{Outcome: events.Ignored}
		if r := rows[keyOf(e)]; r != nil {
			r.row, step = billing.Fold(r.row, r.exists, e)
			r.exists = r.exists || step.Outcome == events.Applied
			r.dirty = r.dirty || step.Outcome == events.Applied
		}
		finals = append(finals, final{id: e.EventID, receipt: e.Receipt, outcome: step.Outcome})
		if err := queueBillingEvent(b, now, e, step); err != nil {
			return nil, err
		}
	}
	for _, r := range rows {
		if r.dirty {
			if err := queueObject(b, &r.row); err != nil {
				return nil, err
			}
		}
	}
	return finals, tx.SendBatch(ctx, b).Close()
}

func keyOf(e *events.Billing) objectKey {
	kind, said := e.About()
	if said == nil {
		return objectKey{}
	}
	return objectKey{kind, e.Mode, said.ID}
}

// Subscriptions have a table of their own, all else that Stripe charges for
// another.
const (
	selectSubscriptions = `
	SELECT 'subscription', mode, id, customer, status, newest, latest, version FROM subscriptions
	WHERE (mode, id) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY mode, id FOR UPDATE`
	selectObjects = `
	SELECT kind, mode, id, customer, status, newest, latest, version FROM billing_objects
	WHERE (mode, kind, id) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[])) ORDER BY mode, kind, id FOR UPDATE`
)

func lockObjects(ctx context.Context, tx pgx.Tx, todo []*events.Billing) (map[objectKey]*objectRow, error) {
	rows := map[objectKey]*objectRow{}
	var subscriptions, others struct{ modes, kinds, ids []string }
	for _, e := range todo {
		k := keyOf(e)
		if k.id == "" || rows[k] != nil || !billing.Handled(k.kind, e.Type) {
			continue
		}
		rows[k] = &objectRow{}
		keys := &others
		if k.kind == events.ObjectSubscription {
			keys = &subscriptions
		}
		keys.modes, keys.kinds, keys.ids = append(keys.modes, k.mode), append(keys.kinds, k.kind), append(keys.ids, k.id)
	}
	if len(subscriptions.ids) > 0 {
		if err := readObjects(ctx, tx, rows, selectSubscriptions, subscriptions.modes, subscriptions.ids); err != nil {
			return nil, err
		}
	}
	if len(others.ids) > 0 {
		return rows, readObjects(ctx, tx, rows, selectObjects, others.modes, others.kinds, others.ids)
	}
	return rows, nil
}

func readObjects(ctx context.Context, tx pgx.Tx, rows map[objectKey]*objectRow, query string, args ...any) error {
	found, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	var o billing.Object
	var latest []byte
	_, err = pgx.ForEachRow(found, []any{&o.Kind, &o.Mode, &o.ID, &o.Customer, &o.Status, &o.Newest, &latest, &o.Version}, func() error {
		row := o
		row.Newest, row.Latest = o.Newest.UTC(), nil
		if err := json.Unmarshal(latest, &row.Latest); err != nil {
			return fmt.Errorf("reading a Stripe object's latest events: %w", err)
		}
		rows[objectKey{o.Kind, o.Mode, o.ID}] = &objectRow{row: row, exists: true}
		return nil
	})
	return err
}

const (
	upsertSubscription = `
	INSERT INTO subscriptions (mode, id, customer, status, newest, latest, version) VALUES ($1, $2, $3, $4, $5, $6, $7)
	ON CONFLICT (mode, id) DO UPDATE SET customer = excluded.customer, status = excluded.status, newest = excluded.newest,
		latest = excluded.latest, version = excluded.version, updated_at = now()`
	upsertObject = `
	INSERT INTO billing_objects (mode, id, customer, status, newest, latest, version, kind) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
	ON CONFLICT (mode, kind, id) DO UPDATE SET customer = excluded.customer, status = excluded.status, newest = excluded.newest,
		latest = excluded.latest, version = excluded.version, updated_at = now()`
)

func queueObject(b *pgx.Batch, o *billing.Object) error {
	latest, err := json.Marshal(o.Latest)
	if err != nil {
		return fmt.Errorf("encoding a Stripe object's latest events: %w", err)
	}
	values := []any{o.Mode, o.ID, o.Customer, o.Status, o.Newest, latest, o.Version}
	if o.Kind == events.ObjectSubscription {
		b.Queue(upsertSubscription, values...)
	} else {
		b.Queue(upsertObject, append(values, o.Kind)...)
	}
	return nil
}

const insertBillingEvent = `
	INSERT INTO billing_events (event_id, stripe_id, mode, type, api_version, object_id, account, outcome, status, receipt_id,
		created, received_at, applied_at, raw_topic, raw_partition, raw_offset, payload)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`

func queueBillingEvent(b *pgx.Batch, now time.Time, e *events.Billing, step billing.Step) error {
	raw, err := events.Unpack(e.Packed)
	if err != nil {
		return fault.Wrap(fault.Invalid, "damaged_record", err)
	}
	b.Queue(insertBillingEvent, e.EventID, e.StripeID, e.Mode, e.Type, e.Version, e.Object, e.Account, step.Outcome, step.Status, e.Receipt,
		e.Created, e.ReceivedAt, now, e.Raw.Topic, e.Raw.Partition, e.Raw.Offset, slices.Clone(raw.Value))
	return nil
}
