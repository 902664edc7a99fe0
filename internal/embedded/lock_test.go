package embedded_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/embedded"
)

func TestSecondLockIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := embedded.Lock(dir)
	require.NoError(t, err)

	_, err = embedded.Lock(dir)
	require.ErrorIs(t, err, embedded.ErrLocked)
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, "process "+strconv.Itoa(os.Getpid()))

	require.NoError(t, first.Release())
	second, err := embedded.Lock(dir)
	require.NoError(t, err)
	require.NoError(t, second.Release())
	require.NoError(t, second.Release(), "releasing twice is harmless")
}

func TestLockEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	helper, pid := startHelper(t, "lock", dir)

	_, err := embedded.Lock(dir)
	require.ErrorIs(t, err, embedded.ErrLocked)
	require.ErrorContains(t, err, "process "+strconv.Itoa(pid))

	kill(helper)
	lock, err := embedded.Lock(dir)
	require.NoError(t, err)
	require.NoError(t, lock.Release())
}

func TestLockMakesTheFolder(t *testing.T) {
	t.Parallel()
	lock, err := embedded.Lock(t.TempDir() + "/a/b")
	require.NoError(t, err)
	require.NoError(t, lock.Release())
}
