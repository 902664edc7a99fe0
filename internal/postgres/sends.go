package postgres

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

const selectOrgs = `SELECT id FROM organizations WHERE id = ANY($1)`

// upsertMappings enters keys, unless one of them was taken by another
// organisation or row, or recorded with another id, since it was read: then it
// returns fewer rows. It waits for whoever holds a placeholder's lock. A mapping
// that is entered again is in use, and expires later.
const upsertMappings = `
	INSERT INTO tenant_map AS t (key, org_id, row_id, account, sent_at, recorded_with)
	SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[]) ORDER BY 1
	ON CONFLICT (key) DO UPDATE SET org_id = excluded.org_id, row_id = excluded.row_id,
		account = CASE WHEN t.account = '' THEN excluded.account ELSE t.account END,
		sent_at = least(t.sent_at, excluded.sent_at), recorded_at = excluded.recorded_at,
		recorded_with = CASE WHEN t.recorded_with = '' THEN excluded.recorded_with ELSE t.recorded_with END
	WHERE t.org_id IS NULL OR (t.org_id = excluded.org_id AND t.row_id = excluded.row_id
		AND (t.recorded_with = '' OR excluded.recorded_with IN ('', t.recorded_with)))`

const markReady = `
	UPDATE held_events SET ready = true, ready_at = now(), retry_at = NULL
	WHERE NOT ready AND event_id IN (SELECT event_id FROM held_keys WHERE key = ANY($1))`

// RecordSends enters send records in the map and sets ready what was held for
// their keys. It returns what became of each, and how many held events it set
// ready. Recording the same send again changes nothing.
func (r *Routing) RecordSends(ctx context.Context, sends []tenantmap.Send) (entries []tenantmap.Entry, ready int64, err error) {
	if len(sends) == 0 {
		return nil, 0, nil
	}
	err = r.db.inTx(ctx, "recording sends", func(ctx context.Context, tx pgx.Tx) error {
		var err error
		entries, ready, err = record(ctx, tx, sends)
		return err
	})
	return entries, ready, err
}

func record(ctx context.Context, tx pgx.Tx, sends []tenantmap.Send) ([]tenantmap.Entry, int64, error) {
	known, err := readMappings(ctx, tx, sends)
	if err != nil {
		return nil, 0, err
	}
	var m mappings
	entries := known.enter(sends, &m)
	if len(m.rows) == 0 {
		return entries, 0, nil
	}
	ready, err := m.write(ctx, tx)
	return entries, ready, err
}

// knownSends is what is on record about a batch of sends.
type knownSends struct {
	orgs     map[events.OrgID]bool
	shared   map[string]bool // senders that organisations share, or shared once
	mappings map[tenantmap.Key]tenantmap.Mapping
	with     map[string]string // of an id, by its key: the key of the other one that a send record named with it
}

const selectRecordedWith = `SELECT key, recorded_with FROM tenant_map WHERE key = ANY($1) AND recorded_with <> ''`

func readMappings(ctx context.Context, tx pgx.Tx, sends []tenantmap.Send) (*knownSends, error) {
	k := &knownSends{orgs: map[events.OrgID]bool{}, with: map[string]string{}}
	orgs, senders := map[string]bool{}, map[string]bool{}
	var pairs []string
	for i := range sends {
		orgs[string(sends[i].Org)] = true
		if resource, echo, ok := sends[i].Pair(); ok {
			pairs = append(pairs, resource.String(), echo.String())
		}
		if _, ok := sends[i].Conversation(); ok {
			senders[sends[i].Sender] = true
		}
	}
	b := &pgx.Batch{}
	b.Queue(selectOrgs, slices.Collect(maps.Keys(orgs))).Query(func(rows pgx.Rows) error {
		var org events.OrgID
		_, err := pgx.ForEachRow(rows, []any{&org}, func() error { k.orgs[org] = true; return nil })
		return err
	})
	k.shared = queueShared(b, senders)
	if len(pairs) > 0 {
		b.Queue(selectRecordedWith, pairs).Query(func(rows pgx.Rows) error {
			var key, with string
			_, err := pgx.ForEachRow(rows, []any{&key, &with}, func() error { k.with[key] = with; return nil })
			return err
		})
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, err
	}
	facts, _, err := lookup(ctx, tx, sortedKeys(sends))
	k.mappings = facts.Mappings
	return k, err
}

// enter decides for each send, in order, and collects what is to be written.
// The row id is the one on record, else the sender's message id, else derived.
func (k *knownSends) enter(sends []tenantmap.Send, m *mappings) []tenantmap.Entry {
	entries := make([]tenantmap.Entry, len(sends))
	for i := range sends {
		s := &sends[i]
		if !k.orgs[s.Org] {
			entries[i].Reason = tenantmap.ReasonUnknownOrg
			continue
		}
		row, ok := k.row(s)
		if !ok {
			entries[i].Reason = tenantmap.ReasonTaken
			continue
		}
		with := k.pair(s)
		if with == nil {
			entries[i].Reason = tenantmap.ReasonOtherID
			continue
		}
		entries[i].Row = row
		for _, key := range s.Keys() {
			mapping, ok := k.mappings[key]
			if !ok {
				mapping = tenantmap.Mapping{Org: s.Org, Row: row}
			}
			if mapping.SentAt.IsZero() || (!s.SentAt.IsZero() && s.SentAt.Before(mapping.SentAt)) {
				mapping.SentAt = s.SentAt
			}
			k.mappings[key] = mapping
			m.add(key, mapping, s.Account, with[key])
		}
		if key, ok := s.Conversation(); ok && k.shared[s.Sender] {
			m.add(key, tenantmap.Mapping{}, "", "")
			m.talks = append(m.talks, talk{key, s, &entries[i]})
		}
	}
	return entries
}

// row returns the row that a send belongs to; false if one of its ids belongs
// to another organisation.
func (k *knownSends) row(s *tenantmap.Send) (events.RowID, bool) {
	var row events.RowID
	for _, key := range s.Keys() { // the resource first: its row may have been made without the sender
		m, ok := k.mappings[key]
		if !ok {
			continue
		}
		if m.Org != s.Org {
			return "", false
		}
		if row == "" {
			row = m.Row
		}
	}
	switch {
	case row != "":
	case s.MessageID != "":
		row = events.RowID(s.MessageID)
	default:
		row = events.DeriveRowID(s.Org, s.Provider, s.ProviderID)
	}
	return row, true
}

// pair returns, for each of the two ids of a send, which other one it is
// recorded with: one message has one id of the sender's and one of the
// provider's. It is nil if either is on record with another; a send with one id
// says nothing of the other.
func (k *knownSends) pair(s *tenantmap.Send) map[tenantmap.Key]string {
	resource, echo, ok := s.Pair()
	if !ok {
		return map[tenantmap.Key]string{}
	}
	r, e := resource.String(), echo.String()
	if with, ok := k.with[r]; ok && with != e {
		return nil
	}
	if with, ok := k.with[e]; ok && with != r {
		return nil
	}
	k.with[r], k.with[e] = e, r
	return map[tenantmap.Key]string{resource: e, echo: r}
}

// mappings collects rows of the map, the newest for each key, and the sends
// that are part of conversations.
type mappings struct {
	at    map[string]int
	rows  []mappingRow
	talks []talk
}

// talk is a send from a shared sender, and what becomes of it.
type talk struct {
	key   tenantmap.Key
	send  *tenantmap.Send
	entry *tenantmap.Entry
}

type mappingRow struct {
	key, account, with string
	m                  tenantmap.Mapping
}

func (m *mappings) add(key tenantmap.Key, mapping tenantmap.Mapping, account, with string) {
	if m.at == nil {
		m.at = map[string]int{}
	}
	row := mappingRow{key.String(), account, with, mapping}
	if i, ok := m.at[row.key]; ok {
		if with == "" { // what an earlier one said stays said
			row.with = m.rows[i].with
		}
		m.rows[i] = row
		return
	}
	m.at[row.key] = len(m.rows)
	m.rows = append(m.rows, row)
}

func (m *mappings) write(ctx context.Context, tx pgx.Tx) (ready int64, err error) {
	n := len(m.rows)
	keys, accounts, with := make([]string, n), make([]string, n), make([]string, n)
	orgs, rows := make([]*string, n), make([]*string, n)
	sent := make([]*time.Time, n)
	for i := range m.rows {
		r := &m.rows[i]
		keys[i], orgs[i], rows[i], accounts[i], with[i] = r.key, optional(string(r.m.Org)), optional(string(r.m.Row)), r.account, r.with
		if !r.m.SentAt.IsZero() {
			sent[i] = &r.m.SentAt
		}
	}
	tag, err := tx.Exec(ctx, upsertMappings, keys, orgs, rows, accounts, sent, with)
	if err != nil {
		return 0, err
	}
	if tag.RowsAffected() != int64(n) {
		return 0, errRace
	}
	if err := m.writeConversations(ctx, tx); err != nil {
		return 0, err
	}
	// A statement of its own, so that it sees what was parked while the one
	// above waited for the placeholders' locks.
	if tag, err = tx.Exec(ctx, markReady, keys); err != nil {
		return 0, err
	}
	return tag.RowsAffected(), nil
}

// upsertConversations keeps the newest times, in whatever order sends are
// recorded.
const upsertConversations = `
	INSERT INTO conversations AS c (sender, person, org_id, last_outbound_at, outbound_at)
	SELECT s, p, o, max(t), (array_agg(DISTINCT t ORDER BY t DESC))[1:$5::int]
	FROM unnest($1::text[], $2::text[], $3::uuid[], $4::timestamptz[]) AS u(s, p, o, t)
	GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
	ON CONFLICT (sender, person, org_id) DO UPDATE SET
		last_outbound_at = greatest(c.last_outbound_at, excluded.last_outbound_at),
		outbound_at = ARRAY(SELECT DISTINCT t FROM unnest(c.outbound_at || c.last_outbound_at || excluded.outbound_at) AS t ORDER BY t DESC LIMIT $5)
	WHERE NOT excluded.outbound_at <@ c.outbound_at`

// writeConversations says who wrote last to whom, and finds what the person
// asked of the sender. The keys are locked by now.
func (m *mappings) writeConversations(ctx context.Context, tx pgx.Tx) error {
	n := len(m.talks)
	if n == 0 {
		return nil
	}
	senders, people, orgs, at := make([]string, n), make([]string, n), make([]string, n), make([]time.Time, n)
	for i, t := range m.talks {
		senders[i], people[i], orgs[i], at[i] = t.send.Sender, t.send.Person, string(t.send.Org), t.send.SentAt
	}
	if _, err := tx.Exec(ctx, upsertConversations, senders, people, orgs, at, tenantmap.KeptTimes); err != nil {
		return err
	}
	asked, err := readRequests(ctx, tx, senders, people)
	for _, t := range m.talks {
		t.entry.Asked = asked[t.key]
	}
	return err
}

// sortedKeys returns the distinct keys of sends.
func sortedKeys(sends []tenantmap.Send) []tenantmap.Key {
	var keys []tenantmap.Key
	for i := range sends {
		keys = append(keys, sends[i].Keys()...)
	}
	return tenantmap.SortKeys(keys)
}
