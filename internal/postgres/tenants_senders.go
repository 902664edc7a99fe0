package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/postgres/dbq"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
)

// AddSender enters a tenure of a sender and sets ready what was held for it.
// Tenures of a sender do not overlap unless all are shared, and never within
// one organisation.
func (t *Tenants) AddSender(ctx context.Context, s tenants.NewSender) (tenants.Placed, error) {
	var placed tenants.Placed
	err := t.db.asOperator(ctx, "adding a sender", func(_ pgx.Tx, q *dbq.Queries) (err error) {
		placed.Released, err = recording(ctx, q, tenantmap.SenderKey(s.Value), func() error {
			from, err := firstMoment(ctx, q, &s)
			if err != nil {
				return err
			}
			if from != nil && s.To != nil && !from.Before(*s.To) {
				return refuse("empty_tenure", "--to lies before the tenure begins: a sender that somebody held before is added from now unless --from says otherwise")
			}
			placed.Sender, err = insertSender(ctx, q, &s, from)
			return err
		})
		return err
	})
	return placed, err
}

// firstMoment returns when a tenure begins: as asked for, else from the
// beginning if nobody ever held the sender, else from now.
func firstMoment(ctx context.Context, q *dbq.Queries, s *tenants.NewSender) (*time.Time, error) {
	if s.From != nil {
		return s.From, nil
	}
	held, err := q.SenderEverHeld(ctx, s.Value)
	if err != nil || !held {
		return nil, err
	}
	now, err := q.DatabaseTime(ctx)
	return &now, err
}

func insertSender(ctx context.Context, q *dbq.Queries, s *tenants.NewSender, from *time.Time) (tenants.Sender, error) {
	row, err := q.InsertSender(ctx, dbq.InsertSenderParams{
		ID: uuid.NewString(), OrgID: string(s.Org), Kind: string(s.Kind), Value: s.Value, Shared: s.Shared,
		ValidFrom: from, ValidTo: s.To, VoiceRedirect: optional(s.VoiceRedirect),
	})
	switch code(err) {
	case codeExclusion:
		return tenants.Sender{}, refuse("sender_taken", "this sender belongs to an organisation at that time already: see `waybill number list`; to give it to another use `waybill number move`")
	case codeForeignKey:
		return tenants.Sender{}, notFound(noSuchOrg)
	}
	return senderOf(dbq.ListSendersRow(row)), err
}

// MoveSender gives a sender to another organisation from a time on. The sender
// must have one exclusive holder at that time.
func (t *Tenants) MoveSender(ctx context.Context, m tenants.Move) (tenants.Placed, error) {
	var placed tenants.Placed
	err := t.db.asOperator(ctx, "moving a sender", func(_ pgx.Tx, q *dbq.Queries) (err error) {
		placed.Released, err = recording(ctx, q, tenantmap.SenderKey(m.Value), func() error {
			placed.Sender, err = moveSender(ctx, q, &m)
			return err
		})
		return err
	})
	return placed, err
}

func moveSender(ctx context.Context, q *dbq.Queries, m *tenants.Move) (tenants.Sender, error) {
	rows, err := q.SenderTenuresAt(ctx, dbq.SenderTenuresAtParams{Value: m.Value, At: m.At})
	if err != nil {
		return tenants.Sender{}, err
	}
	if len(rows) == 0 {
		return tenants.Sender{}, notFound("no organisation holds this sender at that time: see `waybill number list`, or add it with `waybill number add`")
	}
	old := rows[0]
	if len(rows) > 1 || old.Shared {
		return tenants.Sender{}, refuse("sender_shared", "this sender is shared by several organisations: it cannot be moved, add it to the other one with --shared")
	}
	if old.OrgID == string(m.Org) {
		return tenants.Sender{}, refuse("sender_there", "this sender belongs to that organisation at that time already")
	}
	from, to := bounds(old.Valid)
	if from != nil && !from.Before(m.At) {
		return tenants.Sender{}, refuse("empty_tenure", "the present holder's time begins then: move it later")
	}
	if err := q.EndSender(ctx, dbq.EndSenderParams{ID: old.ID, At: m.At}); err != nil {
		return tenants.Sender{}, err
	}
	s := tenants.NewSender{Org: m.Org, Kind: tenants.Kind(old.Kind), Value: m.Value, To: to}
	return insertSender(ctx, q, &s, &m.At)
}

// Senders returns every tenure of every sender, past ones too.
func (t *Tenants) Senders(ctx context.Context) ([]tenants.Sender, error) {
	var all []tenants.Sender
	err := t.db.asOperator(ctx, "listing senders", func(_ pgx.Tx, q *dbq.Queries) error {
		rows, err := q.ListSenders(ctx)
		all = make([]tenants.Sender, 0, len(rows))
		for _, r := range rows {
			all = append(all, senderOf(r))
		}
		return err
	})
	return all, err
}

func senderOf(r dbq.ListSendersRow) tenants.Sender {
	from, to := bounds(r.Valid)
	return tenants.Sender{
		ID: r.ID, Value: r.Value, Kind: tenants.Kind(r.Kind), Org: events.OrgID(r.OrgID), Shared: r.Shared,
		From: from, To: to, VoiceRedirect: deref(r.VoiceRedirect),
	}
}
