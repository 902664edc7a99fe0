package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// superuser is the role that initdb makes. Only migrations and tests use it.
const superuser = "postgres"

// PostgresOptions say where a private PostgreSQL lives and how it is found.
// Only Dir is needed.
type PostgresOptions struct {
	Dir      string       // the data folder; PostgreSQL takes Dir/postgres and files named postgres.*
	Log      *slog.Logger // nil = silent
	Progress func(string) // called with a line for a person while something takes long; may be nil
	Fast     bool         // for tests: nothing survives a crash of the machine

	BinDir     string // use the programs in this folder and no others
	Download   bool   // ignore local programs
	Repository string // Maven repository to download from; "" = Maven Central
	CacheDir   string // where downloads are kept; "" = the user's cache folder

	outlive bool // for tests of the take-over: the server stays when we die
}

// Postgres is a running private PostgreSQL. Its methods may be called from
// several goroutines.
type Postgres struct {
	o        PostgresOptions
	as       *account
	bin      binaries
	data     string // PostgreSQL's own data folder
	password string // the superuser's
	port     int
	server   *server
}

// StartPostgres starts the PostgreSQL of a data folder and returns when it
// answers: a new one on the first call for that folder, later the same one with
// its data, on the same port as long as that is free. One that outlived the
// process that started it is stopped first. The caller holds the folder's
// [Lock]. ctx bounds the start only; the server runs until Stop.
//
// Problems a user can solve are [ErrNoPostgres] and [ErrUnreachable].
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	p, err := newPostgres(o)
	if err != nil {
		return nil, err
	}
	major, err := majorOf(p.data)
	if err != nil {
		return nil, err
	}
	if p.bin, err = findBinaries(ctx, p.o, p.as, major); err != nil {
		return nil, err
	}
	recycled, err := stopSurvivor(ctx, p.data, p.o.Log)
	if err != nil {
		return nil, err
	}
	if major == 0 {
		p.o.Progress("setting up a private PostgreSQL")
		err = p.initialise(ctx)
	} else if err = p.as.own(p.data); err != nil {
		err = fmt.Errorf("giving the data folder to %s: %w", p.as.name, err)
	}
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(p.file("password"))
	if err != nil {
		return nil, fmt.Errorf("reading the private PostgreSQL's password: %w", err)
	}
	p.password = strings.TrimSpace(string(secret))
	if err := p.start(ctx, recycled); err != nil {
		return nil, err
	}
	return p, nil
}

// newPostgres fills in the defaults and checks that the account gets as far as
// the data folder.
func newPostgres(o PostgresOptions) (*Postgres, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Repository == "" {
		o.Repository = mavenCentral
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("finding the data folder: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	if o.Dir, err = filepath.EvalSymlinks(o.Dir); err != nil { // one name, by which a survivor is known
		return nil, fmt.Errorf("finding the data folder: %w", err)
	}
	p := &Postgres{o: o, data: filepath.Join(o.Dir, "postgres")}
	if p.as, err = accountFor(p.data); err != nil {
		return nil, err
	}
	if at := p.as.blocked(o.Dir); at != "" {
		return nil, problemf(ErrUnreachable, "PostgreSQL will not run as root, and %s, whom it runs as instead, cannot enter %s: run `chmod o+x %[2]s`, choose a data folder elsewhere, or start as another user",
			p.as.name, at)
	}
	return p, nil
}

// file returns the path of one of the files beside PostgreSQL's own folder.
func (p *Postgres) file(name string) string {
	return filepath.Join(p.o.Dir, "postgres."+name)
}

// Done is closed when the server has ended, asked to or not.
func (p *Postgres) Done() <-chan struct{} { return p.server.done }

// Stop ends the server and returns when its process is gone. Running
// transactions are rolled back. When ctx ends, or after ten seconds, it is made
// to stop at once and recovers at its next start. Stopping twice is harmless.
func (p *Postgres) Stop(ctx context.Context) error {
	return p.server.stop(ctx, p.o.Log)
}

// URL returns the address of a database for a role, over TCP.
func (p *Postgres) URL(role, password, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(role, password),
		Host:     loopback(p.port),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// SuperuserURL returns the address of a database for the superuser.
func (p *Postgres) SuperuserURL(database string) string {
	return p.URL(superuser, p.password, database)
}

// SetPassword sets the password that an existing role logs in with.
func (p *Postgres) SetPassword(ctx context.Context, role, password string) error {
	if err := p.run(ctx, `select format('alter role %I password %L', $1::text, $2::text)`, role, password); err != nil {
		return fmt.Errorf("setting the password of role %s: %w", role, err)
	}
	return nil
}

// CreateDatabase makes an empty database unless it exists.
func (p *Postgres) CreateDatabase(ctx context.Context, name string) error {
	err := p.run(ctx, `select format('create database %I', $1::text) where not exists (select from pg_database where datname = $1)`, name)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("creating database %s: %w", name, err)
	}
	return nil
}

// CreateOwner makes a role that owns a database and may make roles, and nothing
// else that a superuser may. It is what migrations run as.
func (p *Postgres) CreateOwner(ctx context.Context, role, database string) error {
	for _, query := range []string{
		`select format('create role %I login createrole', $1::text) where $2::text is not null and not exists (select from pg_roles where rolname = $1)`,
		`select format('alter database %I owner to %I', $2::text, $1::text)`,
	} {
		if err := p.run(ctx, query, role, database); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("making %s the owner of database %s: %w", role, database, err)
		}
	}
	return nil
}

// run executes the statement that a query writes. Statements that take no
// parameters are quoted by the server that will read them.
func (p *Postgres) run(ctx context.Context, query string, args ...any) error {
	conn, err := pgx.Connect(ctx, p.SuperuserURL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var statement string
	if err := conn.QueryRow(ctx, query, args...).Scan(&statement); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return err
}

// ready reports whether the server takes connections.
func (p *Postgres) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.SuperuserURL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}
