package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/privacy"
)

// ofOrganization is what an organisation has beside its rows: itself, who signs
// for it (no secret), what is its sender, what was erased.
var ofOrganization = []struct{ kind, query string }{
	{"organizations", `SELECT to_jsonb(t) FROM organizations t WHERE t.id = $1::uuid`},
	{"accounts", `SELECT to_jsonb(a) || jsonb_build_object('valid', o.valid) FROM accounts a JOIN account_orgs o ON o.account_id = a.id WHERE o.org_id = $1::uuid`},
	{"senders", `SELECT to_jsonb(t) - 'slot' FROM senders t WHERE t.org_id = $1::uuid`},
	{"erasures", `SELECT to_jsonb(t) FROM erasures t WHERE t.org_id = $1::uuid`},
}

// Export calls fn with everything on record of a subject, in one consistent
// view of the database, row by row: an organisation's tables, the timeline, the
// held events with their records decoded. It keeps nothing in memory. An error
// of fn ends it and is returned.
func (s *Privacy) Export(ctx context.Context, subject privacy.Subject, fn func(privacy.Item) error) error {
	err := s.read(ctx, subject, "exporting", func(r *reader) error {
		emit := func(kind string, data []byte) error {
			if err := fn(privacy.Item{Kind: kind, Data: data}); err != nil {
				return &unwritable{err}
			}
			return nil
		}
		if r.subject.Scope() == privacy.Organization {
			for _, o := range ofOrganization {
				if err := r.emit(ctx, o.kind, o.query, []any{r.subject.Org}, emit); err != nil {
					return err
				}
			}
		}
		for _, t := range r.tables {
			query := fmt.Sprintf("SELECT to_jsonb(t) FROM %s t WHERE %s", pgx.Identifier{t.Name}.Sanitize(), r.where(t))
			if err := r.emit(ctx, t.Name, query, r.args(), emit); err != nil {
				return err
			}
		}
		return r.eachHeld(ctx, func(h *heldRecord) error {
			data, err := h.readable()
			if err != nil {
				return err
			}
			return emit(heldTable, data)
		})
	})
	return fromOutput(err)
}

func (r *reader) emit(ctx context.Context, kind, query string, args []any, emit func(string, []byte) error) error {
	rows, err := r.tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	var data []byte
	_, err = pgx.ForEachRow(rows, []any{&data}, func() error { return emit(kind, data) })
	return err
}

// readable returns a held event with its record decoded.
func (h *heldRecord) readable() ([]byte, error) {
	if len(h.Record) == 0 {
		return h.Row, nil
	}
	var row map[string]json.RawMessage
	if err := json.Unmarshal(h.Row, &row); err != nil {
		return nil, fmt.Errorf("reading a held event: %w", err)
	}
	rec, err := events.Unpack(h.Record)
	if err != nil {
		return h.Row, nil //nolint:nilerr // a damaged record says nothing
	}
	if row["record"], err = privacy.Readable(&rec); err != nil {
		return nil, fmt.Errorf("decoding a held event: %w", err)
	}
	data, err := json.Marshal(row)
	if err != nil {
		return nil, fmt.Errorf("encoding a held event: %w", err)
	}
	return data, nil
}
