package postgres

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
)

// querier is a pool or a transaction.
type querier interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Lookup returns what is on record about keys, in one round trip. A mapping
// that nobody asked for in the last week is renewed in another, so that it does
// not expire while events come for it.
func (r *Routing) Lookup(ctx context.Context, keys []tenantmap.Key) (tenantmap.Facts, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	f, old, err := lookup(ctx, r.db.pool, keys)
	if err == nil && len(old) > 0 {
		_, err = r.db.pool.Exec(ctx, renewMappings, old)
	}
	return f, translate(err, "looking up the tenant map")
}

const (
	selectMappings = `
		SELECT key, org_id, row_id, sent_at, recorded_at < now() - interval '7 days' FROM tenant_map
		WHERE key = ANY($1) AND org_id IS NOT NULL`
	// It waits for nobody: who holds the row renews it, or will be asked again.
	renewMappings = `
		UPDATE tenant_map SET recorded_at = now()
		WHERE key IN (SELECT key FROM tenant_map WHERE key = ANY($1) FOR UPDATE SKIP LOCKED)`
	selectSenders = `SELECT value, org_id, lower(valid), upper(valid), shared FROM senders WHERE value = ANY($1)`
	// By key, one after the other: a plan for a table without statistics reads it all.
	selectConversations = `
		SELECT c.sender, c.person, c.org_id, c.outbound_at || c.last_outbound_at FROM unnest($1::text[], $2::text[]) AS k(sender, person)
		CROSS JOIN LATERAL (
			SELECT sender, person, org_id, last_outbound_at, outbound_at FROM conversations WHERE sender = k.sender AND person = k.person OFFSET 0) c`
	selectAccounts = `
		SELECT k.key, a.platform, a.removed_at, o.org_id, lower(o.valid), upper(o.valid)
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k(key, provider, purpose, name)
		JOIN accounts a ON a.provider = k.provider AND a.purpose = k.purpose AND a.name = k.name
		LEFT JOIN account_orgs o ON o.account_id = a.id`
)

// lookup also returns the mappings that are to be renewed.
func lookup(ctx context.Context, q querier, keys []tenantmap.Key) (f tenantmap.Facts, old []string, err error) {
	f = tenantmap.NewFacts(len(keys))
	var mapped, senders, talkers, people []string
	var accounts accountKeys
	for _, k := range keys {
		switch k.Kind {
		case tenantmap.KeySender:
			senders = append(senders, k.Value)
		case tenantmap.KeyConversation:
			sender, person := k.Sides()
			talkers, people = append(talkers, sender), append(people, person)
		case tenantmap.KeyAccount:
			accounts.add(k)
		default:
			mapped = append(mapped, k.String())
		}
	}
	b := &pgx.Batch{}
	if len(mapped) > 0 {
		b.Queue(selectMappings, mapped).Query(func(rows pgx.Rows) error {
			var key string
			var org, row uuid.UUID
			var sent pgtype.Timestamptz
			var renew bool
			orgs := map[uuid.UUID]events.OrgID{} // few, and each has one text
			_, err := pgx.ForEachRow(rows, []any{&key, (*[16]byte)(&org), (*[16]byte)(&row), &sent, &renew}, func() error {
				if _, ok := orgs[org]; !ok {
					orgs[org] = events.OrgID(org.String())
				}
				m := tenantmap.Mapping{Org: orgs[org], Row: events.RowID(row.String())}
				if sent.Valid {
					m.SentAt = sent.Time.UTC()
				}
				f.Mappings[tenantmap.ParseKey(key)] = m
				if renew {
					old = append(old, key)
				}
				return nil
			})
			return err
		})
	}
	if len(senders) > 0 {
		b.Queue(selectSenders, senders).Query(func(rows pgx.Rows) error {
			var value string
			var org events.OrgID
			var from, to *time.Time
			var shared bool
			_, err := pgx.ForEachRow(rows, []any{&value, &org, &from, &to, &shared}, func() error {
				k := tenantmap.Key{Kind: tenantmap.KeySender, Value: value}
				t := tenure(org, from, to)
				t.Shared = shared
				f.Senders[k] = append(f.Senders[k], t)
				return nil
			})
			return err
		})
	}
	if len(talkers) > 0 {
		b.Queue(selectConversations, talkers, people).Query(func(rows pgx.Rows) error {
			var sender, person string
			var org events.OrgID
			var times []time.Time
			_, err := pgx.ForEachRow(rows, []any{&sender, &person, &org, &times}, func() error {
				if k, ok := tenantmap.ConversationKey(sender, person); ok {
					f.Conversations[k] = append(f.Conversations[k], tenantmap.Conversation{Org: org, Times: newestFirst(times)})
				}
				return nil
			})
			return err
		})
	}
	if len(accounts.keys) > 0 {
		b.Queue(selectAccounts, accounts.keys, accounts.issuers, accounts.purposes, accounts.names).Query(func(rows pgx.Rows) error {
			var value string
			var platform bool
			var org *events.OrgID
			var removed, from, to *time.Time
			_, err := pgx.ForEachRow(rows, []any{&value, &platform, &removed, &org, &from, &to}, func() error {
				k := tenantmap.Key{Kind: tenantmap.KeyAccount, Value: value}
				a := f.Accounts[k]
				if platform {
					a.Platform = append(a.Platform, tenure("", nil, removed))
				}
				if org != nil {
					a.Orgs = append(a.Orgs, tenure(*org, from, to))
				}
				f.Accounts[k] = a
				return nil
			})
			return err
		})
	}
	if b.Len() == 0 {
		return f, nil, nil
	}
	err = q.SendBatch(ctx, b).Close()
	return f, old, err
}

// accountKeys are keys of accounts as they are looked up: the one account row
// may be an SNS topic's, which stands under its issuer and its purpose.
type accountKeys struct{ keys, issuers, purposes, names []string }

func (a *accountKeys) add(k tenantmap.Key) {
	provider, name, _ := strings.Cut(k.Value, ":")
	issuer, purpose := tenants.Signing(events.Provider(provider))
	a.keys, a.names = append(a.keys, k.Value), append(a.names, name)
	a.issuers, a.purposes = append(a.issuers, string(issuer)), append(a.purposes, purpose)
}

// newestFirst returns distinct times of a conversation. The list may lack the
// last one, which is kept beside it as well: a router of the version before
// writes that alone.
func newestFirst(times []time.Time) []time.Time {
	out := make([]time.Time, len(times))
	for i, t := range times {
		out[i] = t.UTC()
	}
	slices.SortFunc(out, func(a, b time.Time) int { return b.Compare(a) })
	return slices.CompactFunc(out, time.Time.Equal)
}

func tenure(org events.OrgID, from, to *time.Time) tenantmap.Tenure {
	t := tenantmap.Tenure{Org: org}
	if from != nil {
		t.From = from.UTC()
	}
	if to != nil {
		t.To = to.UTC()
	}
	return t
}
