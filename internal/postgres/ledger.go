package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/failpoint"
	"waybill/internal/tenantmap"
)

// occurrence is one event of a batch as the ledger sees it.
type occurrence struct {
	id      events.EventID
	receipt events.ReceiptID
	at      time.Time // received
}

// verdict is what the ledger knows about an occurrence.
type verdict uint8

const (
	fresh      verdict = iota // to be applied
	redelivery                // this receipt was applied already
	duplicate                 // the event was applied under another receipt
)

// ledger is a batch's view of what was applied before.
type ledger struct {
	known map[events.EventID]applied
	now   time.Time // the transaction's time, equal in every row that it writes
	dups  duplicates
}

type applied struct {
	receipt events.ReceiptID
	at      time.Time
	inBatch bool
}

const (
	// One key after the other, each in its own partition: = ANY would search
	// every partition for every key.
	selectKnown = `
		SELECT e.event_id, e.receipt_id, e.applied_at FROM unnest($1::text[]) AS k(id)
		CROSS JOIN LATERAL (SELECT event_id, receipt_id, applied_at FROM event_ids WHERE event_id = k.id OFFSET 0) e`
)

// openLedger passes the fences, if there are any, and reads what is known of the batch's events, in
// one round trip. It returns bus.ErrFenced when a partition is somebody else's.
func openLedger(ctx context.Context, tx pgx.Tx, group string, fences []bus.Fence, batch []occurrence) (*ledger, error) {
	l := &ledger{known: make(map[events.EventID]applied, len(batch))}
	ids := make([]string, len(batch))
	for i := range batch {
		ids[i] = string(batch[i].id)
	}
	b := &pgx.Batch{}
	if len(fences) > 0 {
		queueFences(b, group, fences, &l.now)
	} else {
		b.Queue("SELECT now()").QueryRow(func(row pgx.Row) error { return row.Scan(&l.now) })
	}
	b.Queue(selectKnown, ids).Query(func(rows pgx.Rows) error {
		var id events.EventID
		var a applied
		_, err := pgx.ForEachRow(rows, []any{&id, &a.receipt, &a.at}, func() error {
			l.known[id] = a
			return nil
		})
		return err
	})
	return l, tx.SendBatch(ctx, b).Close()
}

// judge says what to do with an occurrence and takes note of it, so that the
// next one of the same event in the batch is a repeat.
func (l *ledger) judge(o occurrence) verdict {
	a, ok := l.known[o.id]
	switch {
	case !ok:
		l.known[o.id] = applied{receipt: o.receipt, at: l.now, inBatch: true}
		return fresh
	case a.receipt == o.receipt:
		return redelivery
	}
	l.dups.add(o.id, o.receipt, o.at)
	return duplicate
}

// final is an event with its final outcome.
type final struct {
	id      events.EventID
	receipt events.ReceiptID
	org     events.OrgID // "" = global
	outcome events.Outcome
}

const (
	insertEventIDs = `
		INSERT INTO event_ids (event_id, receipt_id, org_id, outcome, applied_at)
		SELECT e, r, o, w, $5 FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[]) AS t(e, r, o, w) ORDER BY e
		ON CONFLICT DO NOTHING`
	deleteSuperseded = `DELETE FROM held_events WHERE event_id = ANY($1) RETURNING event_id, receipt_id, received_at`
)

// close writes the final outcomes, removes what was held of the batch's
// events, and writes the repeats. It must be the last statement group of the
// transaction: it notices when another partition applied one of the events at
// the same time, and then everything is rolled back and tried again.
func (l *ledger) close(ctx context.Context, tx pgx.Tx, batch []occurrence, finals []final) error {
	ids, receipts, outcomes := make([]string, len(finals)), make([]string, len(finals)), make([]string, len(finals))
	orgs := make([]*string, len(finals))
	for i := range finals {
		f := &finals[i]
		ids[i], receipts[i], outcomes[i] = string(f.id), string(f.receipt), string(f.outcome)
		if f.org != "" {
			org := string(f.org)
			orgs[i] = &org
		}
	}
	all := make([]string, len(batch))
	for i := range batch {
		all[i] = string(batch[i].id)
	}
	b := &pgx.Batch{}
	lost := false
	if len(ids) > 0 {
		b.Queue(insertEventIDs, ids, receipts, orgs, outcomes, l.now).Exec(func(tag pgconnTag) error {
			lost = tag.RowsAffected() != int64(len(ids))
			return nil
		})
	}
	b.Queue(deleteSuperseded, all).Query(func(rows pgx.Rows) error {
		var o occurrence
		_, err := pgx.ForEachRow(rows, []any{&o.id, &o.receipt, &o.at}, func() error {
			if l.known[o.id].receipt != o.receipt {
				l.dups.add(o.id, o.receipt, o.at)
			}
			return nil
		})
		return err
	})
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if lost {
		return errRace
	}
	b = &pgx.Batch{}
	l.dups.queue(b)
	if b.Len() > 0 {
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
	}
	failpoint.Reach(failpoint.WorkerBeforeCommit)
	return nil
}

// Ledger is the worker's view of what a group has applied.
type Ledger struct {
	*Offsets
	db *DB
}

// NewLedger returns the ledger of a consumer group.
func NewLedger(db *DB, group string) *Ledger {
	return &Ledger{NewOffsets(db, group), db}
}

// Hold passes the fence and keeps events that no domain can apply.
func (l *Ledger) Hold(ctx context.Context, f bus.Fence, held []tenantmap.Held) error {
	return l.db.inTx(ctx, "holding events", func(ctx context.Context, tx pgx.Tx) error {
		if _, err := openLedger(ctx, tx, l.group, []bus.Fence{f}, nil); err != nil {
			return err
		}
		return hold(ctx, tx, held)
	})
}

// MakeDays makes the timeline's partitions for so many days ahead.
func (l *Ledger) MakeDays(ctx context.Context, days int) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := l.db.pool.Exec(ctx, "SELECT make_event_days($1)", days)
	return translate(err, "making the timeline's days")
}
