package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/postgres/dbq"
)

// Inspect answers operators' questions across organisations. It only reads, so
// the read-only role will do. It is safe for concurrent use.
type Inspect struct{ db *DB }

// NewInspect returns the store over a pool of the operator's or the read-only role.
func NewInspect(db *DB) *Inspect { return &Inspect{db} }

// snapshot runs fn on one consistent view of the database. Long is for
// statements that read whole tables: they end with ctx alone.
func (db *DB) snapshot(ctx context.Context, what string, long bool, fn func(pgx.Tx, *dbq.Queries) error) error {
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, db.pool, opts, func(tx pgx.Tx) error {
		if long {
			if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
				return err
			}
		}
		return fn(tx, dbq.New(tx))
	})
	if code(err) == codeForbidden {
		return refuse("role_may_not", "the role in WAYBILL_DATABASE_URL may not read this: use the URL of waybill_operator or waybill_readonly")
	}
	return translate(err, what)
}

// providersOfRows are those whose ids the rows of messages and calls hold.
var providersOfRows = []string{string(events.Twilio), string(events.SES), string(events.Connect)}

// Find returns what is on record about an id, in one consistent view.
func (s *Inspect) Find(ctx context.Context, query history.Query) (history.Found, error) {
	var found history.Found
	err := s.db.snapshot(ctx, "looking an id up", false, func(tx pgx.Tx, q *dbq.Queries) error {
		f := finder{Queries: q, tx: tx, query: query}
		if err := f.find(ctx); err != nil {
			return err
		}
		found = f.found
		return nil
	})
	return found, err
}

// finder gathers what is on record about one id.
type finder struct {
	*dbq.Queries
	tx    pgx.Tx
	query history.Query
	orgs  []string
	found history.Found
}

// rowRef names the row of a message or call.
type rowRef dbq.RowsByIDRow

func (f *finder) find(ctx context.Context) error {
	orgs, err := f.OrgIDs(ctx, optional(string(f.query.Org)))
	if err != nil {
		return err
	}
	f.orgs = orgs
	refs, err := f.rows(ctx)
	if err != nil {
		return err
	}
	if len(refs) > f.query.Resources {
		refs, f.found.More = refs[:f.query.Resources], true
	}
	for _, ref := range refs {
		if err := f.resource(ctx, ref); err != nil {
			return err
		}
	}
	if f.query.Org == "" && len(refs) == 0 { // billing is global: narrowed to an organisation there is none
		if err := f.billing(ctx); err != nil {
			return err
		}
	}
	return f.held(ctx)
}

// rows finds the rows that the id stands for, whichever kind of id it is.
func (f *finder) rows(ctx context.Context) ([]rowRef, error) {
	if f.query.UUID != "" {
		rows, err := f.RowsByID(ctx, dbq.RowsByIDParams{Orgs: f.orgs, ID: f.query.UUID})
		refs := appendRefs(nil, rows)
		if err != nil || len(refs) > 0 {
			return refs, err
		}
		if refs, err = f.byProviderID(ctx); err != nil || len(refs) > 0 { // contacts have UUIDs
			return refs, err
		}
		members, err := f.RowsByCampaign(ctx, dbq.RowsByCampaignParams{Orgs: f.orgs, CampaignID: f.query.UUID, Most: f.most()})
		f.found.Many = len(members) > 0
		return appendRefs(refs, members), err
	}
	refs, err := f.byProviderID(ctx)
	if err != nil || len(refs) > 0 {
		return refs, err
	}
	if ref, err := f.rowOfEvent(ctx, f.query.ID); err != nil || ref != nil {
		return ref, err
	}
	if len(f.query.Addresses) == 0 {
		return nil, nil
	}
	if err := f.consents(ctx); err != nil {
		return nil, err
	}
	about, err := f.RowsByAddress(ctx, dbq.RowsByAddressParams{Orgs: f.orgs, Addresses: f.query.Addresses, Most: f.most()})
	f.found.Many = true
	return appendRefs(refs, about), err
}

// byProviderID finds the row of a provider's id.
func (f *finder) byProviderID(ctx context.Context) ([]rowRef, error) {
	rows, err := f.RowsByProviderID(ctx, dbq.RowsByProviderIDParams{Orgs: f.orgs, Providers: providersOfRows, ProviderID: f.query.ID})
	return appendRefs(nil, rows), err
}

// consents adds what was decided about an address.
func (f *finder) consents(ctx context.Context) error {
	rows, err := f.ConsentsOf(ctx, dbq.ConsentsOfParams{Orgs: f.orgs, Addresses: f.query.Addresses, Most: f.most()})
	for _, r := range rows {
		f.found.Consents = append(f.found.Consents, history.Decision{
			Org: events.OrgID(r.OrgID), Channel: events.Channel(r.Channel), Sender: r.Sender, Address: r.Address,
			OptedOut: r.OptedOut, At: r.DecidedAt.UTC(), Event: events.EventID(r.EventID),
		})
	}
	return err
}

// most asks for one more than wanted, to know whether there is more.
func (f *finder) most() int32 { return int32(f.query.Resources) + 1 } //nolint:gosec // a small constant

// rowOfEvent finds the row that an event is about. An event that was settled
// without a row, a dismissed one, stands in the story by itself.
func (f *finder) rowOfEvent(ctx context.Context, id string) ([]rowRef, error) {
	final, err := f.FinalEvent(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil || (f.query.Org != "" && deref(final.OrgID) != string(f.query.Org)) {
		return nil, err
	}
	if final.OrgID != nil {
		row, err := f.RowOfEvent(ctx, dbq.RowOfEventParams{OrgID: *final.OrgID, EventID: id, AppliedAt: final.AppliedAt})
		if err == nil && row.Resource != history.Consent {
			return []rowRef{{Kind: row.Resource, OrgID: *final.OrgID, ID: row.RowID}}, nil
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, err
		}
	}
	f.found.Events = append(f.found.Events, settled(final))
	return nil, nil
}

// resource adds the row of a message or call and its events.
func (f *finder) resource(ctx context.Context, ref rowRef) error {
	row, err := f.ResourceByRow(ctx, dbq.ResourceByRowParams{OrgID: ref.OrgID, ID: ref.ID, Kind: ref.Kind})
	if err != nil {
		return err
	}
	r, err := resourceOf(row)
	if err != nil {
		return err
	}
	if err := f.parts(ctx, ref, &r); err != nil {
		return err
	}
	f.found.Resources = append(f.found.Resources, r)
	f.query.Keys = append(f.query.Keys, keysOfResource(row)...)
	timeline, err := f.TimelineOfRow(ctx, dbq.TimelineOfRowParams{OrgID: ref.OrgID, RowID: ref.ID, Resource: ref.Kind, Most: int32(f.query.Events)}) //nolint:gosec // a small constant
	f.found.More = f.found.More || len(timeline) == f.query.Events
	for _, e := range timeline {
		event, err := timelineEvent(e)
		if err != nil {
			return err
		}
		f.found.Events = append(f.found.Events, event)
	}
	return err
}

// parts adds what a resource is made of to its facts.
func (f *finder) parts(ctx context.Context, ref rowRef, r *history.Resource) error {
	switch ref.Kind {
	case history.EmailMessage:
		rows, err := f.RecipientsOf(ctx, dbq.RecipientsOfParams{OrgID: ref.OrgID, EmailID: ref.ID})
		if len(rows) > 0 {
			r.Facts["recipients"] = recipientsOf(rows)
		}
		return err
	case history.Call:
		rows, err := f.RecordingsOf(ctx, dbq.RecordingsOfParams{OrgID: ref.OrgID, CallID: ref.ID})
		if len(rows) > 0 {
			r.Facts["recordings"] = recordingsOf(rows)
		}
		return err
	}
	return nil
}

// billing adds Stripe's objects and events: by their own id, their
// object's, or our event id.
func (f *finder) billing(ctx context.Context) error {
	ids := []string{f.query.ID}
	list, err := f.BillingEvents(ctx, dbq.BillingEventsParams{Ids: ids, Most: int32(f.query.Events)}) //nolint:gosec // a small constant
	if err != nil {
		return err
	}
	if len(list) == 1 && list[0].ObjectID != "" && list[0].ObjectID != f.query.ID { // an event's id: its object's story
		ids[0] = list[0].ObjectID
		if list, err = f.BillingEvents(ctx, dbq.BillingEventsParams{Ids: ids, Most: int32(f.query.Events)}); err != nil { //nolint:gosec // a small constant
			return err
		}
	}
	rows, err := f.BillingObjects(ctx, dbq.BillingObjectsParams{Ids: ids, Most: f.most()})
	if err != nil {
		return err
	}
	for _, r := range rows {
		f.found.Resources = append(f.found.Resources, billingResource(r))
		f.found.Many = f.found.Many || r.ID != ids[0]
	}
	if len(list) == 0 && len(rows) == 0 {
		return nil
	}
	f.found.Events = f.found.Events[:0] // an event that stood by itself is among them
	for _, e := range list {
		f.found.Events = append(f.found.Events, billingEvent(e))
	}
	return nil
}

// held adds what is held under the id, and repeats to every event.
func (f *finder) held(ctx context.Context) error {
	ids, err := f.HeldNamed(ctx, dbq.HeldNamedParams{EventID: f.query.ID, Keys: f.query.Keys, Most: int32(f.query.Held)}) //nolint:gosec // a small constant
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		f.found.More = f.found.More || len(ids) == f.query.Held
		if ids, err = newestOf(ctx, f.tx, &history.HeldFilter{Org: f.query.Org}, ids, f.query.Held); err != nil {
			return err
		}
		rows, err := f.ListHeld(ctx, notNil(ids))
		if err != nil {
			return err
		}
		f.found.Held = heldOf(rows)
	}
	return f.repeats(ctx)
}

// repeats counts for each event the receipts that are not its own.
func (f *finder) repeats(ctx context.Context) error {
	for i := range f.found.Held {
		f.found.Events = append(f.found.Events, f.found.Held[i].Event())
	}
	at := make(map[string]*history.Event, len(f.found.Events))
	ids := make([]string, 0, len(f.found.Events))
	for i := range f.found.Events {
		e := &f.found.Events[i]
		at[string(e.ID)] = e
		ids = append(ids, string(e.ID))
	}
	rows, err := f.Repeats(ctx, ids)
	for _, r := range rows {
		if e := at[r.EventID]; r.ReceiptID != string(e.Receipt) {
			e.Duplicates++
		}
	}
	return err
}

func appendRefs[R ~struct{ Kind, OrgID, ID string }](refs []rowRef, rows []R) []rowRef {
	for _, r := range rows {
		refs = append(refs, rowRef(r))
	}
	return refs
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := t.UTC()
	return &at
}
