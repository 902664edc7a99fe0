package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// Routing is the router's store: the tenant map and the events that wait.
type Routing struct{ db *DB }

// NewRouting returns the store over a pool of the router's role.
func NewRouting(db *DB) *Routing { return &Routing{db} }

// querier is a pool or a transaction.
type querier interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Lookup returns what is on record about keys, in one round trip.
func (r *Routing) Lookup(ctx context.Context, keys []tenantmap.Key) (tenantmap.Facts, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	f, err := lookup(ctx, r.db.pool, keys)
	return f, translate(err, "looking up the tenant map")
}

const (
	selectMappings = `SELECT key, org_id, row_id, sent_at FROM tenant_map WHERE key = ANY($1) AND org_id IS NOT NULL`
	selectSenders  = `SELECT value, org_id, lower(valid), upper(valid) FROM senders WHERE value = ANY($1)`
	selectAccounts = `
		SELECT a.provider, a.name, a.platform, a.removed_at, o.org_id, lower(o.valid), upper(o.valid)
		FROM accounts a LEFT JOIN account_orgs o ON o.account_id = a.id
		WHERE (a.provider, a.name) IN (SELECT split_part(k, ':', 1), substr(k, strpos(k, ':') + 1) FROM unnest($1::text[]) AS k)`
)

func lookup(ctx context.Context, q querier, keys []tenantmap.Key) (tenantmap.Facts, error) {
	f := tenantmap.Facts{
		Mappings: map[tenantmap.Key]tenantmap.Mapping{},
		Senders:  map[tenantmap.Key][]tenantmap.Tenure{},
		Accounts: map[tenantmap.Key]tenantmap.Account{},
	}
	var mapped, senders, accounts []string
	byText := make(map[string]tenantmap.Key, len(keys))
	for _, k := range keys {
		switch k.Kind {
		case tenantmap.KeySender:
			senders = append(senders, k.Value)
		case tenantmap.KeyAccount:
			accounts = append(accounts, k.Value)
		default:
			byText[k.String()] = k
			mapped = append(mapped, k.String())
		}
	}
	b := &pgx.Batch{}
	if len(mapped) > 0 {
		b.Queue(selectMappings, mapped).Query(func(rows pgx.Rows) error {
			var key string
			var org events.OrgID
			var row events.RowID
			var sent *time.Time
			_, err := pgx.ForEachRow(rows, []any{&key, &org, &row, &sent}, func() error {
				m := tenantmap.Mapping{Org: org, Row: row}
				if sent != nil {
					m.SentAt = sent.UTC()
				}
				f.Mappings[byText[key]] = m
				return nil
			})
			return err
		})
	}
	if len(senders) > 0 {
		b.Queue(selectSenders, senders).Query(func(rows pgx.Rows) error {
			var value string
			var org events.OrgID
			var from, to *time.Time
			_, err := pgx.ForEachRow(rows, []any{&value, &org, &from, &to}, func() error {
				k := tenantmap.Key{Kind: tenantmap.KeySender, Value: value}
				f.Senders[k] = append(f.Senders[k], tenure(org, from, to))
				return nil
			})
			return err
		})
	}
	if len(accounts) > 0 {
		b.Queue(selectAccounts, accounts).Query(func(rows pgx.Rows) error {
			var provider, name string
			var platform bool
			var org *events.OrgID
			var removed, from, to *time.Time
			_, err := pgx.ForEachRow(rows, []any{&provider, &name, &platform, &removed, &org, &from, &to}, func() error {
				k := tenantmap.Key{Kind: tenantmap.KeyAccount, Value: provider + ":" + name}
				a := f.Accounts[k]
				if platform {
					a.Platform = append(a.Platform, tenure("", nil, removed))
				}
				if org != nil {
					a.Orgs = append(a.Orgs, tenure(*org, from, to))
				}
				f.Accounts[k] = a
				return nil
			})
			return err
		})
	}
	if b.Len() == 0 {
		return f, nil
	}
	return f, q.SendBatch(ctx, b).Close()
}

func tenure(org events.OrgID, from, to *time.Time) tenantmap.Tenure {
	t := tenantmap.Tenure{Org: org}
	if from != nil {
		t.From = from.UTC()
	}
	if to != nil {
		t.To = to.UTC()
	}
	return t
}

// Hold keeps quarantined and dead events. See [hold] for what it counts.
func (r *Routing) Hold(ctx context.Context, held []tenantmap.Held) error {
	if len(held) == 0 {
		return nil
	}
	return r.db.inTx(ctx, "holding events", func(ctx context.Context, tx pgx.Tx) error { return hold(ctx, tx, held) })
}

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
	facts, err := lookup(ctx, tx, parkingKeys(parkings))
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
	lockPlaceholders   = `SELECT key FROM tenant_map WHERE key = ANY($1) ORDER BY key FOR UPDATE`
)

// lockKeys makes sure that every key has a row and locks the rows in order.
// The order is the database's own, so that all who lock agree on it.
func lockKeys(ctx context.Context, tx pgx.Tx, keys []tenantmap.Key) error {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.String()
	}
	b := &pgx.Batch{}
	b.Queue(insertPlaceholders, texts)
	b.Queue(lockPlaceholders, texts)
	return tx.SendBatch(ctx, b).Close()
}

const selectKnownReceipts = `
	SELECT event_id, receipt_id, true FROM event_ids WHERE event_id = ANY($1)
	UNION ALL
	SELECT event_id, receipt_id, false FROM (
		SELECT event_id, receipt_id FROM held_events WHERE event_id = ANY($1) ORDER BY event_id FOR UPDATE) h`

// upsertHeld keeps the first receipt of an event that is held again, and ends
// any lease: whoever re-published the earlier state must not delete this one.
const upsertHeld = `
	INSERT INTO held_events AS h (event_id, receipt_id, state, reason, provider, kind, signer, named_key, received_at,
		raw_topic, raw_partition, raw_offset, record)
	SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
		$10::text[], $11::int[], $12::bigint[], $13::bytea[])
	ORDER BY 1
	ON CONFLICT (event_id) DO UPDATE SET state = excluded.state, reason = excluded.reason, ready = false, retry_at = NULL,
		lease_token = NULL, lease_until = NULL, attempts = h.attempts + 1`

const insertHeldKeys = `
	INSERT INTO held_keys (key, event_id) SELECT k, e FROM unnest($1::text[], $2::text[]) AS t(k, e) ORDER BY 1, 2
	ON CONFLICT DO NOTHING`

const insertDuplicates = `
	INSERT INTO event_duplicates (event_id, receipt_id, received_at)
	SELECT * FROM unnest($1::text[], $2::uuid[], $3::timestamptz[]) ORDER BY 1, 2
	ON CONFLICT DO NOTHING`

// hold writes held events and their keys. One that is already final is not
// held again; a receipt other than the event's first is a duplicate.
func hold(ctx context.Context, tx pgx.Tx, held []tenantmap.Held) error {
	if len(held) == 0 {
		return nil
	}
	known, err := knownReceipts(ctx, tx, held)
	if err != nil {
		return err
	}
	var keep []tenantmap.Held
	var dups duplicates
	for i := range held {
		h := &held[i]
		k, ok := known[h.EventID]
		if ok && k.receipt != h.Receipt {
			dups.add(h.EventID, h.Receipt, h.ReceivedAt)
		}
		if ok && (k.final || k.inBatch) {
			continue
		}
		if !ok {
			known[h.EventID] = knownReceipt{receipt: h.Receipt, inBatch: true}
		} else {
			k.inBatch = true
			known[h.EventID] = k
		}
		keep = append(keep, *h)
	}
	b := &pgx.Batch{}
	queueHeld(b, keep)
	dups.queue(b)
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

type knownReceipt struct {
	receipt        events.ReceiptID
	final, inBatch bool
}

func knownReceipts(ctx context.Context, tx pgx.Tx, held []tenantmap.Held) (map[events.EventID]knownReceipt, error) {
	ids := make([]string, len(held))
	for i := range held {
		ids[i] = string(held[i].EventID)
	}
	rows, err := tx.Query(ctx, selectKnownReceipts, ids)
	if err != nil {
		return nil, err
	}
	known := map[events.EventID]knownReceipt{}
	var id events.EventID
	var k knownReceipt
	_, err = pgx.ForEachRow(rows, []any{&id, &k.receipt, &k.final}, func() error {
		if !known[id].final {
			known[id] = k
		}
		return nil
	})
	return known, err
}

func queueHeld(b *pgx.Batch, held []tenantmap.Held) {
	if len(held) == 0 {
		return
	}
	n := len(held)
	var (
		ids, receipts, states, reasons, providers = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		kinds, signers, named, topics             = make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		at                                        = make([]time.Time, n)
		partitions                                = make([]int32, n)
		offsets                                   = make([]int64, n)
		records                                   = make([][]byte, n)
		keys, keyIDs                              []string
	)
	for i := range held {
		h := &held[i]
		ids[i], receipts[i], states[i], reasons[i] = string(h.EventID), string(h.Receipt), string(h.State), h.Reason
		providers[i], kinds[i], signers[i], named[i] = string(h.Provider), string(h.Kind), h.Signer, h.Named
		at[i], topics[i], partitions[i], offsets[i] = h.ReceivedAt, h.Raw.Topic, int32(h.Raw.Partition), h.Raw.Offset //nolint:gosec // a partition number
		records[i] = h.Record
		for _, k := range h.Keys {
			keys, keyIDs = append(keys, k.String()), append(keyIDs, string(h.EventID))
		}
	}
	b.Queue(upsertHeld, ids, receipts, states, reasons, providers, kinds, signers, named, at, topics, partitions, offsets, records)
	if len(keys) > 0 {
		b.Queue(insertHeldKeys, keys, keyIDs)
	}
}

// duplicates collects repeats of known events.
type duplicates struct {
	ids, receipts []string
	at            []time.Time
}

func (d *duplicates) add(id events.EventID, receipt events.ReceiptID, at time.Time) {
	d.ids, d.receipts, d.at = append(d.ids, string(id)), append(d.receipts, string(receipt)), append(d.at, at)
}

func (d *duplicates) queue(b *pgx.Batch) {
	if len(d.ids) > 0 {
		b.Queue(insertDuplicates, d.ids, d.receipts, d.at)
	}
}

// sortedKeys returns the distinct keys of sends.
func sortedKeys(sends []tenantmap.Send) []tenantmap.Key {
	var keys []tenantmap.Key
	for i := range sends {
		keys = append(keys, sends[i].Keys()...)
	}
	slices.SortFunc(keys, func(a, b tenantmap.Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
	})
	return slices.Compact(keys)
}
