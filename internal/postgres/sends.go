package postgres

import (
	"cmp"
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
// organisation or row since it was read: then it returns fewer rows. It waits
// for whoever holds a placeholder's lock. A mapping that is entered again is in
// use, and expires later.
const upsertMappings = `
	INSERT INTO tenant_map AS t (key, org_id, row_id, account, sent_at)
	SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[]) ORDER BY 1
	ON CONFLICT (key) DO UPDATE SET org_id = excluded.org_id, row_id = excluded.row_id,
		account = CASE WHEN t.account = '' THEN excluded.account ELSE t.account END,
		sent_at = least(t.sent_at, excluded.sent_at), recorded_at = excluded.recorded_at
	WHERE t.org_id IS NULL OR (t.org_id = excluded.org_id AND t.row_id = excluded.row_id)`

const markReady = `
	UPDATE held_events SET ready = true, retry_at = NULL
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
}

func readMappings(ctx context.Context, tx pgx.Tx, sends []tenantmap.Send) (*knownSends, error) {
	k := &knownSends{orgs: map[events.OrgID]bool{}}
	orgs, senders := map[string]bool{}, map[string]bool{}
	for i := range sends {
		orgs[string(sends[i].Org)] = true
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
			m.add(key, mapping, s.Account)
		}
		if key, ok := s.Conversation(); ok && k.shared[s.Sender] {
			m.add(key, tenantmap.Mapping{}, "")
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
	key, account string
	m            tenantmap.Mapping
}

func (m *mappings) add(key tenantmap.Key, mapping tenantmap.Mapping, account string) {
	if m.at == nil {
		m.at = map[string]int{}
	}
	row := mappingRow{key.String(), account, mapping}
	if i, ok := m.at[row.key]; ok {
		m.rows[i] = row
		return
	}
	m.at[row.key] = len(m.rows)
	m.rows = append(m.rows, row)
}

func (m *mappings) write(ctx context.Context, tx pgx.Tx) (ready int64, err error) {
	n := len(m.rows)
	keys, accounts := make([]string, n), make([]string, n)
	orgs, rows := make([]*string, n), make([]*string, n)
	sent := make([]*time.Time, n)
	for i := range m.rows {
		r := &m.rows[i]
		keys[i], orgs[i], rows[i], accounts[i] = r.key, optional(string(r.m.Org)), optional(string(r.m.Row)), r.account
		if !r.m.SentAt.IsZero() {
			sent[i] = &r.m.SentAt
		}
	}
	tag, err := tx.Exec(ctx, upsertMappings, keys, orgs, rows, accounts, sent)
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

// upsertConversations never goes back: sends are recorded in any order.
const upsertConversations = `
	INSERT INTO conversations AS c (sender, person, org_id, last_outbound_at)
	SELECT s, p, o, max(t) FROM unnest($1::text[], $2::text[], $3::uuid[], $4::timestamptz[]) AS u(s, p, o, t)
	GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
	ON CONFLICT (sender, person, org_id) DO UPDATE SET last_outbound_at = excluded.last_outbound_at
	WHERE c.last_outbound_at < excluded.last_outbound_at`

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
	if _, err := tx.Exec(ctx, upsertConversations, senders, people, orgs, at); err != nil {
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
	slices.SortFunc(keys, func(a, b tenantmap.Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
	})
	return slices.Compact(keys)
}
