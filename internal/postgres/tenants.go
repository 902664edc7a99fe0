package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/postgres/dbq"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
)

// Tenants is what operators enter: organisations, accounts that sign, senders.
// It is safe for concurrent use.
//
// What is refused for a reason that a person can mend comes back as a fault of
// class Invalid whose cause is one sentence; what does not exist as one whose
// cause is a *tenants.NotFoundError.
type Tenants struct{ db *DB }

// NewTenants returns the store over a pool of the operator's role. The
// read-only role may use the methods that read.
func NewTenants(db *DB) *Tenants { return &Tenants{db} }

// CreateOrg enters an organisation. It refuses an id or external id that is taken.
func (t *Tenants) CreateOrg(ctx context.Context, o tenants.NewOrg) (tenants.Org, error) {
	var made tenants.Org
	err := t.db.asOperator(ctx, "creating an organisation", func(_ pgx.Tx, q *dbq.Queries) error {
		row, err := q.InsertOrg(ctx, dbq.InsertOrgParams{ID: string(o.ID), ExternalID: optional(o.ExternalID), Name: o.Name})
		if errors.Is(err, pgx.ErrNoRows) {
			return refuse("organisation_exists", "an organisation with this id or external id exists already: see `waybill org list`")
		}
		made = orgOf(row)
		return err
	})
	return made, err
}

// Orgs returns every organisation, the oldest first.
func (t *Tenants) Orgs(ctx context.Context) ([]tenants.Org, error) {
	var all []tenants.Org
	err := t.db.asOperator(ctx, "listing organisations", func(_ pgx.Tx, q *dbq.Queries) error {
		rows, err := q.ListOrgs(ctx)
		all = make([]tenants.Org, 0, len(rows))
		for _, r := range rows {
			all = append(all, orgOf(r))
		}
		return err
	})
	return all, err
}

func orgOf(r dbq.Organization) tenants.Org {
	return tenants.Org{ID: events.OrgID(r.ID), Name: r.Name, ExternalID: deref(r.ExternalID), CreatedAt: r.CreatedAt.UTC(), ErasedAt: utc(r.ErasedAt)}
}

// recording runs fn between the two halves of the parking protocol: first the
// key's row in the map is locked, so that nobody parks an event for it unseen;
// then, after fn has recorded whose the key is, what is held for it is set
// ready: a chunk of it at once, the rest by a router ([Routing.WakeHeld]). It
// returns how many events that are.
func recording(ctx context.Context, q *dbq.Queries, key tenantmap.Key, fn func() error) (int64, error) {
	if err := q.TouchKey(ctx, key.String()); err != nil {
		return 0, err
	}
	if err := fn(); err != nil {
		return 0, err
	}
	first, err := q.ReleaseKey(ctx, dbq.ReleaseKeyParams{Key: key.String(), Most: heldChunk})
	if err != nil || first.Looked < heldChunk {
		return first.Ready, err
	}
	// So many would not fit into the time of one statement.
	if err := q.WakeKey(ctx, dbq.WakeKeyParams{Key: key.String(), Done: first.Done}); err != nil {
		return 0, err
	}
	return q.CountOfKey(ctx, key.String())
}

// asOperator runs fn in a transaction. Refusals by the server that an operator
// can mend become sentences.
func (db *DB) asOperator(ctx context.Context, what string, fn func(pgx.Tx, *dbq.Queries) error) error {
	return db.inTx(ctx, what, func(_ context.Context, tx pgx.Tx) error {
		err := fn(tx, dbq.New(tx))
		if code(err) == codeForbidden {
			return refuse("role_may_not", "the role in WAYBILL_DATABASE_URL may not do this: use the URL of waybill_operator")
		}
		return err
	})
}

// codeForbidden is the SQLSTATE of a missing privilege.
const codeForbidden = "42501"

func refuse(reason, sentence string) error {
	return fault.Wrap(fault.Invalid, reason, errors.New(sentence))
}

func notFound(sentence string) error {
	return fault.Wrap(fault.Invalid, "not_found", &tenants.NotFoundError{What: sentence})
}

const noSuchOrg = "no organisation has this id: see `waybill org list`"

// optional returns nil for the empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// bounds returns the ends of a range, nil where it is open.
func bounds(r pgtype.Range[pgtype.Timestamptz]) (from, to *time.Time) {
	return bound(r.Lower, r.LowerType), bound(r.Upper, r.UpperType)
}

func bound(t pgtype.Timestamptz, kind pgtype.BoundType) *time.Time {
	if kind == pgtype.Unbounded || !t.Valid || t.InfinityModifier != pgtype.Finite {
		return nil
	}
	at := t.Time.UTC()
	return &at
}
