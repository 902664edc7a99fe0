package nodump_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"waybill/internal/nodump"
)

func TestMemoryStaysInTheProcess(t *testing.T) { //nolint:paralleltest // it changes the whole process
	require.NoError(t, unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0))
	require.NoError(t, nodump.Set())
	require.NoError(t, nodump.Set(), "once more")
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	require.NoError(t, err)
	require.Zero(t, dumpable)
	limit := unix.Rlimit{Cur: 1, Max: 1}
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_CORE, &limit))
	require.Equal(t, unix.Rlimit{}, limit)
}
