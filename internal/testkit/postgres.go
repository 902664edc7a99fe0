package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/embedded"
	"waybill/migrations"
)

// The roles that a database can be opened as.
const (
	Owner    = "postgres" // the superuser: sees everything, row-level security does not hold it
	Router   = "waybill_router"
	Worker   = "waybill_worker"
	Operator = "waybill_operator"
	ReadOnly = "waybill_readonly"
)

const (
	password = "waybill" // of every role but the owner
	template = "waybill_template"
)

// Server is the PostgreSQL that the tests of this process share.
type Server struct {
	*embedded.Postgres

	dir       string
	databases atomic.Int64 // made so far, for their names
}

// shared is started by the first test that asks.
var shared struct {
	sync.Mutex
	server *Server
	err    error
}

// Postgres returns the shared server. Its template database is migrated and
// every role has its password.
func Postgres(tb testing.TB) *Server {
	tb.Helper()
	if !underMain.Load() {
		tb.Fatal("nobody would stop the test server: add `func TestMain(m *testing.M) { testkit.Main(m) }` to this package")
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		// Not the test's context: the server outlives the test that starts it.
		shared.server, shared.err = startServer(context.Background())
	}
	require.NoError(tb, shared.err, "starting the test server")
	return shared.server
}

func startServer(ctx context.Context) (*Server, error) {
	dir, err := embedded.MkdirTemp("waybill-test-")
	if err != nil {
		return nil, err
	}
	pg, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{
		Dir: dir, Fast: true,
		Progress: func(line string) { fmt.Fprintln(os.Stderr, "testkit:", line) },
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &Server{Postgres: pg, dir: dir}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// prepare makes the template that every test's database is a copy of.
func (s *Server) prepare(ctx context.Context) error {
	if err := s.CreateDatabase(ctx, template); err != nil {
		return err
	}
	if _, err := migrations.Up(ctx, s.SuperuserURL(template)); err != nil {
		return err
	}
	for _, role := range []string{Router, Worker, Operator, ReadOnly} {
		if err := s.SetPassword(ctx, role, password); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a statement as the superuser.
func (s *Server) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.SuperuserURL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

func (s *Server) close() error {
	return errors.Join(s.Stop(context.Background()), os.RemoveAll(s.dir))
}

func stopShared() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return nil
	}
	defer func() { shared.server, shared.err = nil, errors.New("the tests of this process are over") }()
	return shared.server.close()
}
