package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

// A claim is bounded by what its records take of a router's memory, and not by
// their number alone; a record above the bound goes by itself.
func TestAClaimIsBoundedByItsRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	park := func(n, megabytes int) {
		t.Helper()
		u := w.early(n)
		u.Held.Record = make([]byte, megabytes<<20)
		_, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{u})
		require.NoError(t, err)
		_, ready, err := routing.RecordSends(t.Context(), []tenantmap.Send{w.send(n)})
		require.NoError(t, err)
		require.EqualValues(t, 1, ready)
	}
	claim := func(limit int, more bool) (megabytes []int) {
		t.Helper()
		claimed, err := routing.ClaimReady(t.Context(), "", limit, time.Minute)
		require.NoError(t, err)
		require.Equal(t, more, claimed.More)
		for _, c := range claimed.Claims {
			require.NotNil(t, c.ReadyAt)
			megabytes = append(megabytes, len(c.Record)>>20)
		}
		return megabytes
	}
	for n := range 5 {
		park(n, 3)
	}
	require.Equal(t, []int{3, 3}, claim(10, true))
	require.Equal(t, []int{3}, claim(1, true), "the number bounds as well")
	require.Equal(t, []int{3, 3}, claim(10, true), "there may be more")
	require.Empty(t, claim(10, false))
	park(5, 9)
	require.Equal(t, []int{9}, claim(10, true))
}
