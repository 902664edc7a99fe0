package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"waybill/internal/bus"
	"waybill/internal/fault"
)

// SQLSTATE codes that are decided on one by one; the rest go by their class.
const (
	codeSerialization  = "40001"
	codeDeadlock       = "40P01"
	codeCachedPlan     = "0A000" // "cached plan must not change result type" after a migration
	codeUndefinedTable = "42P01"
	codeUnique         = "23505"
	codeExclusion      = "23P01"
	codeForeignKey     = "23503"
)

// maxAttempts bounds how often a transaction that lost a race is tried again.
const maxAttempts = 6

// errRace is returned inside a transaction that must be rolled back and tried
// again because another one was faster.
var errRace = errors.New("another transaction was faster")

// code returns the SQLSTATE of err, "" if it has none. It is the only reader
// of pgconn.PgError.
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

func isUndefinedTable(err error) bool { return code(err) == codeUndefinedTable }

func isRetryable(err error) bool {
	switch code(err) {
	case codeSerialization, codeDeadlock, codeCachedPlan:
		return true
	}
	return errors.Is(err, errRace)
}

// permanent are the SQLSTATE classes that a record alone reproduces: 21
// (cardinality), 22 (data), 23 (constraints) and 54 (a value too large for an
// index). DESIGN names 22 and 23; the other two would wait for ever as well.
var permanent = map[string]bool{"21": true, "22": true, "23": true, "54": true}

// translate classifies an error. What is not permanent waits. The server's message may
// quote values, so only its code is kept.
func translate(err error, what string) error {
	if err == nil {
		return nil
	}
	var classified *fault.Error
	if errors.As(err, &classified) || errors.Is(err, bus.ErrFenced) {
		return err
	}
	c := code(err)
	switch {
	case c == "":
		return fault.Wrap(fault.Unavailable, "database_unavailable", fmt.Errorf("%s: %w", what, err))
	case permanent[c[:2]]:
		return fault.Wrap(fault.Invalid, "data_rejected", &stateError{what: what, code: c})
	}
	if c[:2] == "28" {
		what += ": the server refused the role or its password, check WAYBILL_DATABASE_URL"
	}
	return fault.Wrap(fault.Unavailable, "database_error", &stateError{what: what, code: c})
}

// stateError is a database error without the server's words.
type stateError struct{ what, code string }

// Error gives what was attempted and the SQLSTATE.
func (e *stateError) Error() string { return fmt.Sprintf("%s: SQLSTATE %s", e.what, e.code) }

// backOff waits a little, longer with each attempt, with jitter.
func backOff(ctx context.Context, attempt int) error {
	d := time.Duration(attempt*attempt)*2*time.Millisecond + rand.N(8*time.Millisecond)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
