package testkit

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// DB is one test's own database, migrated and empty.
type DB struct {
	Name   string
	server *Server
}

// Database makes a database for the test. It is dropped when the test ends,
// whoever is still connected.
func Database(tb testing.TB) DB {
	tb.Helper()
	s := Postgres(tb)
	name := fmt.Sprintf("test_%d", s.databases.Add(1))
	err := s.exec(tb.Context(), "create database "+name+" template "+template)
	require.NoError(tb, err, "making a database")
	tb.Cleanup(func() {
		// The test's context is over by now.
		err := s.exec(context.Background(), "drop database "+name+" with (force)")
		require.NoError(tb, err, "dropping the database")
	})
	return DB{Name: name, server: s}
}

// URL returns the database's address for a role.
func (d DB) URL(role string) string {
	if role == Owner {
		return d.server.SuperuserURL(d.Name)
	}
	return d.server.URL(role, password, d.Name)
}

// Pool returns connections as a role, closed when the test ends. It is small:
// all tests of the process share the server's hundred connections.
func (d DB) Pool(tb testing.TB, role string) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(d.URL(role))
	require.NoError(tb, err)
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(tb.Context(), config)
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	return pool
}
