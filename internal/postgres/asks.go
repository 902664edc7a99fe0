package postgres

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// Ask keeps what people asked of shared senders, and returns for each request
// the organisations beside its own that it concerns now. Whoever records a send
// of one of these conversations takes the same lock, so an organisation is
// either among them or finds the request with its send.
func (r *Routing) Ask(ctx context.Context, requests []tenantmap.Request) ([][]events.OrgID, error) {
	var concerned [][]events.OrgID
	err := r.db.inTx(ctx, "keeping requests", func(ctx context.Context, tx pgx.Tx) error {
		var err error
		concerned, err = ask(ctx, tx, requests)
		return err
	})
	return concerned, err
}

func ask(ctx context.Context, tx pgx.Tx, requests []tenantmap.Request) ([][]events.OrgID, error) {
	a, err := askedOfShared(ctx, tx, requests)
	if err != nil || len(a.keys) == 0 {
		return make([][]events.OrgID, len(requests)), err
	}
	if err := lockKeys(ctx, tx, a.keys); err != nil {
		return nil, err
	}
	return a.keep(ctx, tx)
}

// asking is the part of some requests that was asked of shared senders.
type asking struct {
	requests      []tenantmap.Request
	rows          requestRows
	keys, signers []tenantmap.Key
}

func askedOfShared(ctx context.Context, tx pgx.Tx, requests []tenantmap.Request) (*asking, error) {
	a := &asking{requests: requests}
	senders := map[string]bool{}
	for i := range requests {
		for _, k := range requests[i].Evidence.Conversations() {
			sender, _ := k.Sides()
			senders[sender] = true
		}
	}
	b := &pgx.Batch{}
	shared := queueShared(b, senders)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, err
	}
	for i := range requests {
		q := &requests[i]
		for _, k := range q.Evidence.Conversations() {
			sender, person := k.Sides()
			if !shared[sender] {
				continue
			}
			a.keys = append(a.keys, k)
			if err := a.rows.add(sender, person, q); err != nil {
				return nil, err
			}
		}
		a.signers = append(a.signers, tenantmap.AccountKey(q.Evidence.Provider, q.Evidence.Signer))
	}
	return a, nil
}

// keep writes the requests and then reads whom they concern, in this order.
func (a *asking) keep(ctx context.Context, tx pgx.Tx) ([][]events.OrgID, error) {
	if err := a.rows.write(ctx, tx); err != nil {
		return nil, err
	}
	facts, _, err := lookup(ctx, tx, append(a.keys, a.signers...))
	concerned := make([][]events.OrgID, len(a.requests))
	for i := range a.requests {
		concerned[i] = tenantmap.Others(&a.requests[i].Evidence, &facts, a.requests[i].Event.Org)
	}
	return concerned, err
}

const selectShared = `SELECT DISTINCT value FROM senders WHERE value = ANY($1) AND shared`

// queueShared adds the query that tells which senders organisations share, or
// shared once. What it returns is filled in when the batch has run.
func queueShared(b *pgx.Batch, senders map[string]bool) map[string]bool {
	shared := map[string]bool{}
	if len(senders) == 0 {
		return shared
	}
	b.Queue(selectShared, slices.Collect(maps.Keys(senders))).Query(func(rows pgx.Rows) error {
		var value string
		_, err := pgx.ForEachRow(rows, []any{&value}, func() error { shared[value] = true; return nil })
		return err
	})
	return shared
}

// upsertRequests keeps the last request of each conversation by the rule of
// consent.Join: a later one dominates all before it. DISTINCT ON because one
// statement cannot change a row twice.
const upsertRequests = `
	INSERT INTO sender_requests AS r (sender, person, received_at, opted_out, event_id, event)
	SELECT DISTINCT ON (s, p) s, p, t, o, i, e
	FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::boolean[], $5::text[], $6::jsonb[]) AS u(s, p, t, o, i, e)
	ORDER BY s, p, t DESC, o DESC, i COLLATE "C" DESC
	ON CONFLICT (sender, person) DO UPDATE SET received_at = excluded.received_at, opted_out = excluded.opted_out,
		event_id = excluded.event_id, event = excluded.event
	WHERE (r.received_at, r.opted_out, r.event_id COLLATE "C") < (excluded.received_at, excluded.opted_out, excluded.event_id COLLATE "C")`

type requestRows struct {
	senders, people, ids, events []string
	at                           []time.Time
	optedOut                     []bool
}

func (w *requestRows) add(sender, person string, q *tenantmap.Request) error {
	event, err := json.Marshal(&q.Event)
	if err != nil {
		return err
	}
	w.senders, w.people = append(w.senders, sender), append(w.people, person)
	w.ids, w.events = append(w.ids, string(q.Event.EventID)), append(w.events, string(event))
	w.at, w.optedOut = append(w.at, q.Event.ReceivedAt), append(w.optedOut, q.OptedOut)
	return nil
}

func (w *requestRows) write(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, upsertRequests, w.senders, w.people, w.at, w.optedOut, w.ids, w.events)
	return err
}

const selectRequests = `
	SELECT r.sender, r.person, r.event FROM unnest($1::text[], $2::text[]) AS k(sender, person)
	CROSS JOIN LATERAL (SELECT sender, person, event FROM sender_requests WHERE sender = k.sender AND person = k.person OFFSET 0) r`

// readRequests returns what was asked last in the conversations of sends, by
// their keys.
func readRequests(ctx context.Context, tx pgx.Tx, senders, people []string) (map[tenantmap.Key]*events.Message, error) {
	rows, err := tx.Query(ctx, selectRequests, senders, people)
	if err != nil {
		return nil, err
	}
	asked := map[tenantmap.Key]*events.Message{}
	var sender, person string
	var event []byte
	_, err = pgx.ForEachRow(rows, []any{&sender, &person, &event}, func() error {
		var m events.Message
		if err := json.Unmarshal(event, &m); err != nil {
			return err
		}
		if k, ok := tenantmap.ConversationKey(sender, person); ok {
			asked[k] = &m
		}
		return nil
	})
	return asked, err
}
