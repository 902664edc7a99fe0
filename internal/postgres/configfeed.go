package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/internal/events"
)

// ConfigFeed is the truth about signers and senders that the router publishes.
// Close it to give up the lead.
type ConfigFeed struct {
	db   *DB
	mu   sync.Mutex
	lead *pgxpool.Conn // holds the lock; nil while another process leads
}

// NewConfigFeed returns the feed over a pool of the router's role.
func NewConfigFeed(db *DB) *ConfigFeed { return &ConfigFeed{db: db} }

const feedLock = "waybill.config"

// Lead returns true while this process holds the lock of the one publisher. It
// asks the server each time, so a lost connection is noticed at once.
func (c *ConfigFeed) Lead(ctx context.Context) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lead != nil {
		ping, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := c.lead.Ping(ping); err != nil {
			c.drop()
			return false, translate(err, "keeping the lead of the configuration")
		}
		return true, nil
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	conn, err := c.db.pool.Acquire(ctx)
	if err != nil {
		return false, translate(err, "electing the publisher of the configuration")
	}
	var mine bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtext($1))", feedLock).Scan(&mine); err != nil || !mine {
		conn.Release()
		return false, translate(err, "electing the publisher of the configuration")
	}
	c.lead = conn
	return true, nil
}

// Close gives up the lead.
func (c *ConfigFeed) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
}

// drop ends the connection: the lock goes with it.
func (c *ConfigFeed) drop() {
	if c.lead == nil {
		return
	}
	conn := c.lead.Hijack()
	c.lead = nil
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// Version changes with every change of accounts, tokens and senders.
func (c *ConfigFeed) Version(ctx context.Context) (int64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var v int64
	err := c.db.pool.QueryRow(ctx, "SELECT version FROM config_version").Scan(&v)
	return v, translate(err, "reading the configuration's version")
}

const (
	selectSigners = `
		SELECT a.provider, a.purpose, a.name, t.id, t.name, t.algorithm, t.sealed
		FROM accounts a LEFT JOIN account_tokens t ON t.account_id = a.id AND t.removed_at IS NULL
		WHERE a.removed_at IS NULL ORDER BY a.provider, a.purpose, a.name, t.created_at, t.id`
	// Twilio's alone: others never ask where a call should go.
	selectEntitled = `
		SELECT a.purpose, a.name, a.platform, o.org_id, lower(o.valid), upper(o.valid)
		FROM accounts a LEFT JOIN account_orgs o ON o.account_id = a.id AND NOT isempty(o.valid)
		WHERE a.removed_at IS NULL AND a.provider = 'twilio' ORDER BY a.purpose, a.name, o.org_id, lower(o.valid) NULLS FIRST`
	selectAllSenders = `
		SELECT id, org_id, kind, value, shared, lower(valid), upper(valid), coalesce(voice_redirect, '') FROM senders ORDER BY id`
)

// All returns the body of every key that the config topic should hold, read in
// one snapshot.
func (c *ConfigFeed) All(ctx context.Context) (map[string]any, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	all := map[string]any{}
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, c.db.pool, opts, func(tx pgx.Tx) error {
		if err := readSigners(ctx, tx, all); err != nil {
			return err
		}
		return readSenders(ctx, tx, all)
	})
	return all, translate(err, "reading the configuration")
}

func readSigners(ctx context.Context, tx pgx.Tx, all map[string]any) error {
	rows, err := tx.Query(ctx, selectSigners)
	if err != nil {
		return err
	}
	signers := map[string]*events.ConfigSigner{}
	var s events.ConfigSigner
	var id, keyID, algorithm *string
	var sealed []byte
	_, err = pgx.ForEachRow(rows, []any{&s.Provider, &s.Purpose, &s.Name, &id, &keyID, &algorithm, &sealed}, func() error {
		known := signers[s.Key()]
		if known == nil {
			known = &events.ConfigSigner{Provider: s.Provider, Purpose: s.Purpose, Name: s.Name}
			signers[s.Key()] = known
			all[s.Key()] = known
		}
		if id != nil {
			known.Tokens = append(known.Tokens, events.ConfigToken{
				ID: *id, KeyID: *keyID, Algorithm: *algorithm, Sealed: append([]byte(nil), sealed...),
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return readEntitled(ctx, tx, signers)
}

// maxEntitled bounds the organisations of a signer's record. One with more is
// told to nobody: a record that no topic takes would hold up all others.
const maxEntitled = 10_000

// readEntitled adds for whom signers sign.
func readEntitled(ctx context.Context, tx pgx.Tx, signers map[string]*events.ConfigSigner) error {
	rows, err := tx.Query(ctx, selectEntitled)
	if err != nil {
		return err
	}
	s := events.ConfigSigner{Provider: string(events.Twilio)}
	var platform bool
	var org *events.OrgID
	var from, to *time.Time
	_, err = pgx.ForEachRow(rows, []any{&s.Purpose, &s.Name, &platform, &org, &from, &to}, func() error {
		known := signers[s.Key()]
		if known == nil {
			return nil
		}
		if known.SignsFor == nil {
			known.SignsFor = &events.ConfigEntitlement{Platform: platform}
		}
		if org != nil {
			known.SignsFor.Orgs = append(known.SignsFor.Orgs, events.ConfigTenure{Org: *org, From: utc(from), To: utc(to)})
		}
		return nil
	})
	for _, known := range signers {
		if known.SignsFor != nil && len(known.SignsFor.Orgs) > maxEntitled {
			known.SignsFor = nil
		}
	}
	return err
}

func readSenders(ctx context.Context, tx pgx.Tx, all map[string]any) error {
	rows, err := tx.Query(ctx, selectAllSenders)
	if err != nil {
		return err
	}
	var s events.ConfigSender
	_, err = pgx.ForEachRow(rows, []any{&s.ID, &s.Org, &s.Kind, &s.Value, &s.Shared, &s.From, &s.To, &s.VoiceRedirect}, func() error {
		sender := s
		sender.From, sender.To = utc(s.From), utc(s.To)
		all[sender.Key()] = &sender
		return nil
	})
	return err
}
