// Package postgres is the only room that talks to PostgreSQL: the pool, the
// transactions that name one organisation at a time, the translation of
// errors, and the stores that the other rooms declare as small interfaces.
// Rules live in the domain rooms; this one only reads, locks and writes.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/internal/config"
	"waybill/internal/fault"
	"waybill/migrations"
)

// Config is how to reach the database. The user in the URL is the role.
type Config struct {
	URL      config.Secret `env:"WAYBILL_DATABASE_URL" doc:"PostgreSQL, postgres://role:password@host/database; the user is the role"`
	MaxConns int32         `env:"WAYBILL_DATABASE_MAX_CONNS" envDefault:"12" doc:"most connections that one process opens"`

	// Prepared makes every connection plan a statement once instead of each
	// time: for a service, which repeats a few statements that go by key.
	Prepared bool
}

// Validate reports what cannot work. It never quotes the URL.
func (c *Config) Validate() error {
	var errs []error
	if c.URL == "" {
		errs = append(errs, errors.New("WAYBILL_DATABASE_URL: must be set, for example postgres://ROLE:password@host/waybill, where the role is waybill_router, _worker or _operator"))
	} else if _, err := pgxpool.ParseConfig(string(c.URL)); err != nil { // the cause may quote the password
		errs = append(errs, errors.New("WAYBILL_DATABASE_URL: not a PostgreSQL URL (want postgres://role:password@host/database)"))
	}
	if c.MaxConns < 2 {
		errs = append(errs, errors.New("WAYBILL_DATABASE_MAX_CONNS: want at least 2"))
	}
	return errors.Join(errs...)
}

// DB is a pool of one role's connections. It is safe for concurrent use.
type DB struct {
	pool *pgxpool.Pool
}

// Limits that the server enforces on every statement, so that a lost client
// or a stuck lock ends by itself. They are longer than any healthy statement.
const (
	statementTimeout = 10 * time.Second
	idleTimeout      = 20 * time.Second
	lockTimeout      = 5 * time.Second
	// patience is our own limit on a transaction: a connection whose other end
	// vanished without a word would be waited for otherwise.
	patience = 15 * time.Second
)

// Open connects lazily: it fails only for a URL that cannot be used. Close the
// pool with [DB.Close].
func Open(ctx context.Context, c Config) (*DB, error) {
	pc, err := pgxpool.ParseConfig(string(c.URL))
	if err != nil {
		return nil, errors.New("WAYBILL_DATABASE_URL: not a PostgreSQL URL")
	}
	if c.MaxConns > 0 {
		pc.MaxConns = c.MaxConns
	}
	pc.MaxConnLifetime = time.Hour
	pc.MaxConnLifetimeJitter = 6 * time.Minute
	pc.ConnConfig.ConnectTimeout = 5 * time.Second
	params := pc.ConnConfig.RuntimeParams
	for name, d := range map[string]time.Duration{
		"statement_timeout":                   statementTimeout,
		"idle_in_transaction_session_timeout": idleTimeout,
		"lock_timeout":                        lockTimeout,
	} {
		if params[name] == "" {
			params[name] = fmt.Sprint(d.Milliseconds())
		}
	}
	if c.Prepared {
		// Left to itself PostgreSQL plans a look-up in a partitioned table anew
		// each time, which takes longer than the look-up.
		params["plan_cache_mode"] = "force_generic_plan"
		// A plan that was made while a table was small would read all of it
		// for every key, for as long as nobody counts its rows anew.
		params["enable_seqscan"] = "off"
		params["jit"] = "off"
	}
	if params["application_name"] == "" {
		params["application_name"] = "waybill"
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("opening the database pool: %w", err)
	}
	return &DB{pool: pool}, nil
}

// Close closes the pool after its connections were given back.
func (db *DB) Close() { db.pool.Close() }

// closeShare is the most that closing takes of the time for a whole stop.
const closeShare = 2 * time.Second

// CloseWithin closes the pool, and gives up on connections whose server does
// not answer: they end with the process.
func (db *DB) CloseWithin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeShare)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		db.pool.Close()
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return errors.New("connections did not close in time")
	}
}

// ErrOldSchema is returned when migrations are missing.
var ErrOldSchema = errors.New("the database schema is older than this program: run `waybill migrate up`")

// Check returns nil when the database answers and its schema is new enough.
func (db *DB) Check(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var version int64
	err := db.pool.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	if isUndefinedTable(err) {
		return fault.Wrap(fault.Unavailable, "old_schema", ErrOldSchema)
	}
	if err != nil {
		return translate(err, "checking the schema")
	}
	if version < migrations.Version {
		return fault.Wrap(fault.Unavailable, "old_schema", ErrOldSchema)
	}
	return nil
}

// inTx runs fn in a transaction and commits it. Serialization failures and
// deadlocks are tried again; fn must therefore have no other effects.
func (db *DB) inTx(ctx context.Context, what string, fn func(context.Context, pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := db.attempt(ctx, fn)
		if err == nil {
			return nil
		}
		if !isRetryable(err) || attempt == maxAttempts {
			return translate(err, what)
		}
		if err := backOff(ctx, attempt); err != nil {
			return translate(err, what)
		}
	}
}

// bounded limits what a statement or transaction waits for the server.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}

func (db *DB) attempt(ctx context.Context, fn func(context.Context, pgx.Tx) error) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error { return fn(ctx, tx) })
}
