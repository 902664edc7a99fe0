package routertest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/router/routertest"
)

// Whatever happens in whatever order, every event ends where the world says:
// against a store in memory.
func TestProofEveryEventEndsWhereItBelongs(t *testing.T) {
	t.Parallel()
	var told routertest.Told
	rapid.Check(t, func(t *rapid.T) { routertest.Play(t, "story", routertest.NewMemory(), 40, &told) })
	t.Log(&told)
	require.NotZero(t, told.Adopted*told.Answered*told.Moved*told.Decreed*told.Failures*told.Deaths*told.Held, "a kind of story was never told")
}
