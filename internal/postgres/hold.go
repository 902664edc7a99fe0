package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// Hold keeps quarantined and dead events. See [hold] for what it counts.
func (r *Routing) Hold(ctx context.Context, held []tenantmap.Held) error {
	if len(held) == 0 {
		return nil
	}
	return r.db.inTx(ctx, "holding events", func(ctx context.Context, tx pgx.Tx) error { return hold(ctx, tx, held) })
}

// Ignore enters events that are about no organisation as final, and removes
// what was held of them. One that is final already changes nothing; under
// another receipt it is a duplicate.
func (r *Routing) Ignore(ctx context.Context, ignored []tenantmap.Ignored) error {
	return r.db.inTx(ctx, "ignoring events", func(ctx context.Context, tx pgx.Tx) error {
		batch := make([]occurrence, len(ignored))
		for i := range ignored {
			batch[i] = occurrence{id: ignored[i].EventID, receipt: ignored[i].Receipt, at: ignored[i].ReceivedAt}
		}
		l, err := openLedger(ctx, tx, "", nil, batch)
		if err != nil {
			return err
		}
		var finals []final
		for _, o := range batch {
			if l.judge(o) == fresh {
				finals = append(finals, final{id: o.id, receipt: o.receipt, outcome: events.Ignored})
			}
		}
		return l.close(ctx, tx, batch, finals)
	})
}

const selectFinals = `
	SELECT e.event_id, e.receipt_id FROM unnest($1::text[]) AS k(id)
	CROSS JOIN LATERAL (SELECT event_id, receipt_id FROM event_ids WHERE event_id = k.id OFFSET 0) e`

// Finals returns under which receipt each of the events became final; those
// that did not are absent.
func (r *Routing) Finals(ctx context.Context, ids []events.EventID) (map[events.EventID]events.ReceiptID, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	finals := map[events.EventID]events.ReceiptID{}
	rows, err := r.db.pool.Query(ctx, selectFinals, ids)
	if err != nil {
		return nil, translate(err, "reading final events")
	}
	var id events.EventID
	var receipt events.ReceiptID
	_, err = pgx.ForEachRow(rows, []any{&id, &receipt}, func() error { finals[id] = receipt; return nil })
	return finals, translate(err, "reading final events")
}

const selectKnownReceipts = `
	SELECT e.event_id, e.receipt_id, true FROM unnest($1::text[]) AS k(id)
	CROSS JOIN LATERAL (SELECT event_id, receipt_id FROM event_ids WHERE event_id = k.id OFFSET 0) e
	UNION ALL
	SELECT event_id, receipt_id, false FROM (
		SELECT event_id, receipt_id FROM held_events WHERE event_id = ANY($1) ORDER BY event_id FOR UPDATE) h`

// upsertHeld keeps the first receipt and the record of an event that is held
// again, and ends any lease: whoever released the earlier state must not delete this one.
const upsertHeld = `
	INSERT INTO held_events AS h (event_id, receipt_id, state, reason, provider, kind, signer, named_key, received_at,
		raw_topic, raw_partition, raw_offset, record, detail, retry_at)
	SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
		$10::text[], $11::int[], $12::bigint[], $13::bytea[], $14::text[], $15::timestamptz[])
	ORDER BY 1
	ON CONFLICT (event_id) DO UPDATE SET state = excluded.state, reason = excluded.reason, detail = excluded.detail,
		ready = false, ready_at = NULL, retry_at = excluded.retry_at, record = coalesce(h.record, excluded.record),
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
		details                                   = make([]string, n)
		retries                                   = make([]*time.Time, n)
		keys, keyIDs                              []string
	)
	for i := range held {
		h := &held[i]
		ids[i], receipts[i], states[i], reasons[i] = string(h.EventID), string(h.Receipt), string(h.State), h.Reason
		providers[i], kinds[i], signers[i], named[i] = string(h.Provider), string(h.Kind), h.Signer, h.Named
		at[i], topics[i], partitions[i], offsets[i] = h.ReceivedAt, h.Raw.Topic, int32(h.Raw.Partition), h.Raw.Offset //nolint:gosec // a partition number
		records[i], details[i] = h.Record, h.Detail
		if !h.RetryAt.IsZero() {
			retries[i] = &h.RetryAt
		}
		for _, k := range h.Keys {
			keys, keyIDs = append(keys, k.String()), append(keyIDs, string(h.EventID))
		}
	}
	b.Queue(upsertHeld, ids, receipts, states, reasons, providers, kinds, signers, named, at, topics, partitions, offsets, records,
		details, retries)
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
