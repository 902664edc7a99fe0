package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
)

// The whole table, written a second time: a change of a class's fate is meant
// only when it is made twice.
func TestFates(t *testing.T) {
	t.Parallel()
	table := []struct {
		class  fault.Class
		name   string
		status int
		action fault.Action
	}{
		{fault.Internal, "internal", http.StatusInternalServerError, fault.Isolate},
		{fault.Invalid, "invalid", http.StatusBadRequest, fault.DeadLetter},
		{fault.Unverified, "unverified", http.StatusUnauthorized, fault.Quarantine},
		{fault.Unregistered, "unregistered", http.StatusForbidden, fault.Quarantine},
		{fault.UnknownTenant, "unknown_tenant", http.StatusServiceUnavailable, fault.Park},
		{fault.Forbidden, "forbidden", http.StatusForbidden, fault.Quarantine},
		{fault.Unavailable, "unavailable", http.StatusServiceUnavailable, fault.Wait},
	}
	names := map[string]bool{}
	for i, row := range table {
		require.Equal(t, i, int(row.class), "the classes have no gap")
		require.Equal(t, row.name, row.class.String())
		require.Equal(t, fault.Fate{Status: row.status, Action: row.action}, row.class.Fate(), row.name)
		require.False(t, names[row.name], "two classes named %s", row.name)
		names[row.name] = true
	}
	// One past the end is no class: the set ends where this table ends.
	for c := len(table); c < 256; c++ {
		require.Equal(t, "internal", fault.Class(c).String())
		require.Equal(t, fault.Internal.Fate(), fault.Class(c).Fate())
	}
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	unavailable := fault.Wrap(fault.Unavailable, "database", cause)
	for _, c := range []struct {
		name   string
		err    error
		class  fault.Class
		reason string
	}{
		{"nothing classified", cause, fault.Internal, "internal"},
		{"no error", nil, fault.Internal, "internal"},
		{"a deadline that nobody classified", context.DeadlineExceeded, fault.Internal, "internal"},
		{"classified", unavailable, fault.Unavailable, "database"},
		{"wrapped", fmt.Errorf("resolving call sid: %w", unavailable), fault.Unavailable, "database"},
		{"joined", errors.Join(cause, unavailable), fault.Unavailable, "database"},
		{"the outermost decides", fault.Wrap(fault.Invalid, "bad_time", unavailable), fault.Invalid, "bad_time"},
		{"without a cause", fault.New(fault.Forbidden, "contradiction"), fault.Forbidden, "contradiction"},
	} {
		require.Equal(t, c.class, fault.ClassOf(c.err), c.name)
		require.Equal(t, c.reason, fault.ReasonOf(c.err), c.name)
	}
	require.ErrorIs(t, unavailable, cause)
	require.EqualError(t, unavailable, "database: connection refused")
	require.EqualError(t, fault.New(fault.Invalid, "bad_time"), "bad_time")
	require.NoError(t, fault.Wrap(fault.Invalid, "bad_time", nil))
}
