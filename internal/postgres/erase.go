package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"waybill/internal/postgres/dbq"
	"waybill/internal/privacy"
)

// Begin begins an erasure, or goes on with the one of the same subject that was
// interrupted. It returns its id, and the subject as it was when it began: what
// named the person may be erased by now. An organisation is closed at once:
// nobody signs for it from here on.
func (s *Privacy) Begin(ctx context.Context, subject privacy.Subject, user string) (id string, began privacy.Subject, err error) {
	began = subject
	err = s.erasing(ctx, "beginning an erasure", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT begin_erasure($1, $2, $3, $4, $5)",
			subject.Org, subject.Scope(), optional(subject.Customer), notNil(subject.Addresses), user).Scan(&id)
	})
	if err != nil || subject.Scope() == privacy.Organization {
		return id, began, err
	}
	err = s.erasing(ctx, "reading an erasure's addresses", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT erasure_people($1)", id)
		if err != nil {
			return err
		}
		began.Addresses, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return id, began, err
}

// Tables returns the tables to erase from, in order.
func (s *Privacy) Tables(ctx context.Context) ([]string, error) {
	var names []string
	err := s.db.snapshot(ctx, "reading which tables hold people's data", false, func(tx pgx.Tx, _ *dbq.Queries) error {
		tables, err := personalTables(ctx, tx)
		names = nil
		for _, t := range tables {
			names = append(names, t.Name)
		}
		return err
	})
	return names, err
}

// eraseChunk is how many rows one transaction erases: few enough that a worker
// is not kept waiting for them.
const eraseChunk = 1000

// EraseRows erases a chunk of a table's rows and returns how many; 0 is the end.
func (s *Privacy) EraseRows(ctx context.Context, erasure, table string) (n int64, err error) {
	err = s.erasing(ctx, "erasing rows", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT erase_rows($1, $2, $3)", erasure, table, eraseChunk).Scan(&n)
	})
	return n, err
}

const pickHeldOfOrg = `
	SELECT h.event_id, h.record FROM held_events h WHERE h.event_id > $2 AND ` + heldOfOrg + `
	ORDER BY h.event_id LIMIT 100 FOR UPDATE OF h`

// EraseHeld gives up a chunk of the subject's held events behind an event id:
// their outcome is ignored, so that their receipts stay accounted for and a
// repeat is a repeat. It returns how many, and the last id that it looked at,
// "" at the end.
func (s *Privacy) EraseHeld(ctx context.Context, erasure string, subject privacy.Subject, after string) (n int64, last string, err error) {
	err = s.erasing(ctx, "erasing held events", func(tx pgx.Tx) error {
		n, last = 0, ""
		rows, err := tx.Query(ctx, pickHeldOfOrg, subject.Org, after)
		if err != nil {
			return err
		}
		var ids []string
		var h heldRecord
		_, err = pgx.ForEachRow(rows, []any{&h.ID, &h.Record}, func() error {
			last = h.ID
			if h.about(&subject) {
				ids = append(ids, h.ID)
			}
			return nil
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		n = int64(len(ids))
		if err := dismiss(ctx, dbq.New(tx), ids); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "SELECT count_erased($1, $2, $3)", erasure, heldTable, n)
		return err
	})
	return n, last, err
}

// Finish ends an erasure and returns what it came to.
func (s *Privacy) Finish(ctx context.Context, erasure string) (privacy.Erased, error) {
	var e privacy.Erased
	var customer *string
	err := s.erasing(ctx, "finishing an erasure", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT finish_erasure($1)", erasure); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT id::text, org_id::text, customer_id::text, scope, counts, started_at, finished_at FROM erasures WHERE id = $1", erasure).
			Scan(&e.ID, (*string)(&e.Org), &customer, &e.Scope, &e.Rows, &e.StartedAt, &e.FinishedAt)
	})
	e.Customer = deref(customer)
	e.StartedAt, e.FinishedAt = utc(e.StartedAt), utc(e.FinishedAt)
	return e, err
}

// erasing runs one step of an erasure. Looking for a person's rows may read all
// of the organisation's, which no index serves.
func (s *Privacy) erasing(ctx context.Context, what string, fn func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, s.db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		return fn(tx)
	})
	if code(err) == codeForbidden {
		return refuse("role_may_not", "the role in WAYBILL_DATABASE_URL may not erase: use the URL of waybill_operator")
	}
	return translate(err, what)
}
