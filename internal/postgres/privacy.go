package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/postgres/dbq"
	"waybill/internal/privacy"
	"waybill/internal/tenantmap"
)

// Privacy exports and erases what is on record about a person or an
// organisation. It goes by the table personal_tables, into which a migration
// enters every table with rows of organisations. It is safe for concurrent use.
type Privacy struct{ db *DB }

// NewPrivacy returns the store over a pool of the operator's role; exporting
// and counting work with the read-only role too.
func NewPrivacy(db *DB) *Privacy { return &Privacy{db} }

// personalTable is a row of personal_tables. Its texts are SQL, written by
// migrations alone.
type personalTable struct {
	Name, Belongs string
	Addresses     *string
}

const selectPersonalTables = `SELECT name, belongs, addresses FROM personal_tables ORDER BY position`

func personalTables(ctx context.Context, tx pgx.Tx) ([]personalTable, error) {
	rows, err := tx.Query(ctx, selectPersonalTables)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[personalTable])
}

// reader is a consistent look at everything of one subject.
type reader struct {
	tx      pgx.Tx
	tables  []personalTable
	subject privacy.Subject
}

// read runs fn on one view of the database, with the subject's addresses found.
// It is notFound when there is no such organisation or customer.
func (s *Privacy) read(ctx context.Context, subject privacy.Subject, what string, fn func(*reader) error) error {
	return s.db.snapshot(ctx, what, true, func(tx pgx.Tx, _ *dbq.Queries) error {
		// Whoever reads our output may take his time.
		if _, err := tx.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
			return err
		}
		tables, err := personalTables(ctx, tx)
		if err != nil {
			return err
		}
		r := &reader{tx: tx, tables: tables, subject: subject}
		if err := r.identify(ctx); err != nil {
			return err
		}
		return fn(r)
	})
}

const selectSubject = `SELECT EXISTS (SELECT FROM organizations WHERE id = $1), EXISTS (SELECT FROM customers WHERE org_id = $1 AND id = $2)`

// identify finds the addresses that are the subject's: those that a customer's
// messages and calls used, and every spelling of an address, which rows hold as
// they came. Senders are nobody's address.
func (r *reader) identify(ctx context.Context) error {
	var org, customer bool
	if err := r.tx.QueryRow(ctx, selectSubject, r.subject.Org, optional(r.subject.Customer)).Scan(&org, &customer); err != nil {
		return err
	}
	switch {
	case !org:
		return notFound(noSuchOrg)
	case r.subject.Scope() == privacy.Organization:
		return nil
	case r.subject.Customer != "" && !customer:
		return notFound("this organisation has no customer of this id")
	}
	if r.subject.Customer != "" {
		if err := r.gather(ctx, func(t personalTable) string { return r.where(t) }); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(r.subject.Addresses, func(a string) bool { return strings.Contains(a, "@") }) {
		const spelled = `t.org_id = $1::uuid AND $2::uuid IS NOT DISTINCT FROM $2::uuid
			AND lower(a) IN (SELECT lower(k) FROM unnest($3::text[]) AS k WHERE k LIKE '%@%')`
		if err := r.gather(ctx, func(personalTable) string { return spelled }); err != nil {
			return err
		}
	}
	slices.Sort(r.subject.Addresses)
	return nil
}

// gather adds the addresses that rows hold which a condition selects.
func (r *reader) gather(ctx context.Context, where func(personalTable) string) error {
	found := map[string]bool{}
	for _, t := range r.tables {
		if t.Addresses == nil {
			continue
		}
		rows, err := r.tx.Query(ctx, fmt.Sprintf(`SELECT DISTINCT a FROM %s t, unnest(%s) AS a WHERE %s AND a <> '' AND a NOT LIKE 'erased:%%'`,
			pgx.Identifier{t.Name}.Sanitize(), *t.Addresses, where(t)), r.args()...)
		if err != nil {
			return err
		}
		var a string
		if _, err := pgx.ForEachRow(rows, []any{&a}, func() error { found[a] = true; return nil }); err != nil {
			return err
		}
	}
	ours, err := r.senders(ctx, found)
	if err != nil {
		return err
	}
	for a := range found {
		if ours[tenantmap.NormaliseSender(a)] {
			continue
		}
		for _, spelling := range spellings(a) {
			if !slices.Contains(r.subject.Addresses, spelling) {
				r.subject.Addresses = append(r.subject.Addresses, spelling)
			}
		}
	}
	return nil
}

// senders returns which of some addresses are senders, as the map spells them.
func (r *reader) senders(ctx context.Context, addresses map[string]bool) (map[string]bool, error) {
	values := make([]string, 0, len(addresses))
	for a := range addresses {
		values = append(values, tenantmap.NormaliseSender(a))
	}
	rows, err := r.tx.Query(ctx, `SELECT DISTINCT value FROM senders WHERE value = ANY($1)`, values)
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	var value string
	_, err = pgx.ForEachRow(rows, []any{&value}, func() error { ours[value] = true; return nil })
	return ours, err
}

// whatsApp is what stands before a WhatsApp user's number.
const whatsApp = "whatsapp:"

// spellings returns an address in every spelling, as each channel writes it.
func spellings(address string) []string {
	var out []string
	for _, a := range tenantmap.Spellings(address) {
		number := strings.TrimPrefix(a, whatsApp)
		if strings.HasPrefix(number, "+") {
			out = append(out, number, whatsApp+number)
		} else {
			out = append(out, a)
		}
	}
	return out
}

// where selects the subject's rows of a table as t. All three parameters have
// their type, whichever of them the table's condition uses.
func (r *reader) where(t personalTable) string {
	belongs := t.Belongs
	if r.subject.Scope() == privacy.Organization {
		belongs = "true"
	}
	return "t.org_id = $1::uuid AND coalesce($2::uuid, $1::uuid) IS NOT NULL AND $3::text[] IS NOT NULL AND (" + belongs + ")"
}

func (r *reader) args() []any {
	return []any{r.subject.Org, optional(r.subject.Customer), notNil(r.subject.Addresses)}
}

// Resolve returns the subject with every address that is the customer's.
func (s *Privacy) Resolve(ctx context.Context, subject privacy.Subject) (privacy.Subject, error) {
	err := s.read(ctx, subject, "looking a person's addresses up", func(r *reader) error {
		subject = r.subject
		return nil
	})
	return subject, err
}

// Count returns how many rows of each table are the subject's, and how many
// held events.
func (s *Privacy) Count(ctx context.Context, subject privacy.Subject) (map[string]int64, error) {
	counts := map[string]int64{}
	err := s.read(ctx, subject, "counting what is on record", func(r *reader) error {
		for _, t := range r.tables {
			if r.subject.Scope() != privacy.Organization && t.Name == timelineTable { // it names nobody, and stays
				continue
			}
			var n int64
			query := fmt.Sprintf("SELECT count(*) FROM %s t WHERE %s", pgx.Identifier{t.Name}.Sanitize(), r.where(t))
			if err := r.tx.QueryRow(ctx, query, r.args()...).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				counts[t.Name] = n
			}
		}
		return r.eachHeld(ctx, func(*heldRecord) error { counts[heldTable]++; return nil })
	})
	return counts, err
}

const (
	timelineTable = "events"
	heldTable     = "held_events"
)

// heldRecord is a held event with the record that it came in, packed.
type heldRecord struct {
	ID     string
	Record []byte
	Row    []byte // JSON, without the record
}

// about tells whether the held event is the subject's. Above the cap of parked
// events only a position is kept, and nothing in the database tells of a person;
// what cannot be unpacked goes with its organisation alone.
func (h *heldRecord) about(s *privacy.Subject) bool {
	if s.Scope() == privacy.Organization {
		return true
	}
	rec, err := events.Unpack(h.Record)
	return err == nil && privacy.Mentions(&rec, s.Names())
}

// eachHeld calls fn with the subject's held events.
func (r *reader) eachHeld(ctx context.Context, fn func(*heldRecord) error) error {
	rows, err := r.tx.Query(ctx, `SELECT h.event_id, h.record, to_jsonb(h) - 'record' FROM held_events h WHERE `+heldOfOrg, r.subject.Org)
	if err != nil {
		return err
	}
	var h heldRecord
	_, err = pgx.ForEachRow(rows, []any{&h.ID, &h.Record, &h.Row}, func() error {
		if !h.about(&r.subject) {
			return nil
		}
		return fn(&h)
	})
	return err
}

// unwritable says that the fault is the reader's of our output, not the database's.
type unwritable struct{ err error }

func (u *unwritable) Error() string { return u.err.Error() }
func (u *unwritable) Unwrap() error { return u.err }

// fromOutput returns the cause of an error that fn of an export returned.
func fromOutput(err error) error {
	var u *unwritable
	if errors.As(err, &u) {
		return u.err
	}
	return err
}
