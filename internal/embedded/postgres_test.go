package embedded_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/embedded"
)

func start(t *testing.T, o embedded.PostgresOptions) *embedded.Postgres {
	t.Helper()
	pg, err := embedded.StartPostgres(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pg.Stop(context.Background())) })
	return pg
}

// query returns the one value that a query gives.
func query[T any](t *testing.T, url, sql string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}

func exists(t *testing.T, pg *embedded.Postgres, database string) bool {
	t.Helper()
	return query[bool](t, pg.SuperuserURL("postgres"), "select exists (select from pg_database where datname = '"+database+"')")
}

func TestPostgresKeepsItsDataAndPort(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first := start(t, embedded.PostgresOptions{Dir: dir})
	require.NoError(t, first.CreateDatabase(t.Context(), "kept"))
	require.NoError(t, first.CreateDatabase(t.Context(), "kept"), "making it again is harmless")
	require.NoError(t, first.Stop(t.Context()))
	require.NoError(t, first.Stop(t.Context()), "stopping twice is harmless")
	<-first.Done()
	require.NoFileExists(t, filepath.Join(dir, "postgres", "postmaster.pid"))

	second := start(t, embedded.PostgresOptions{Dir: dir})
	require.Equal(t, first.SuperuserURL("kept"), second.SuperuserURL("kept"), "port and password stay")
	require.True(t, exists(t, second, "kept"))
}

func TestPostgresSettings(t *testing.T) {
	t.Parallel()
	show := func(pg *embedded.Postgres, name string) string {
		return query[string](t, pg.SuperuserURL("postgres"), "select current_setting('"+name+"')")
	}
	dir := folder(t)
	pg := start(t, embedded.PostgresOptions{Dir: dir})
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "server_encoding": "UTF8",
		"password_encryption": "scram-sha-256", "jit": "off", "shared_buffers": "128MB", "log_min_messages": "log",
	} {
		require.Equal(t, want, show(pg, name), name)
	}
	info, err := os.Stat(filepath.Join(dir, "postgres.password"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, pg.Stop(t.Context()))
	require.Equal(t, "off", show(start(t, embedded.PostgresOptions{Dir: dir, Fast: true}), "fsync"))
}

func TestSetPassword(t *testing.T) {
	t.Parallel()
	pg := start(t, embedded.PostgresOptions{Dir: folder(t), Fast: true})
	const awkward = `it's "odd" \ $1 @:/?`
	conn, err := pgx.Connect(t.Context(), pg.SuperuserURL("postgres"))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `create role "odd ""role" login`)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))

	require.NoError(t, pg.SetPassword(t.Context(), `odd "role`, awkward))
	require.Equal(t, 1, query[int](t, pg.URL(`odd "role`, awkward, "postgres"), "select 1"))

	_, err = pgx.Connect(t.Context(), pg.URL(`odd "role`, "wrong", "postgres"))
	require.Error(t, err, "a wrong password is refused")
	require.Error(t, pg.SetPassword(t.Context(), "nobody_of_that_name", "x"))
}

func TestSurvivorIsStopped(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	helper, survivor := startHelper(t, "outlive", dir)
	kill(helper)
	require.NoError(t, syscall.Kill(survivor, 0), "the server must outlive its parent for this test to mean something")

	pg := start(t, embedded.PostgresOptions{Dir: dir, Fast: true})
	require.True(t, gone(survivor))
	require.True(t, exists(t, pg, "left_behind"))
}

func TestServerDiesWithItsParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a child that its parent died")
	}
	helper, orphan := startHelper(t, "start", folder(t))
	kill(helper)
	require.Eventually(t, func() bool { return gone(orphan) }, 10*time.Second, 20*time.Millisecond)
}

// gone tells whether a process has ended, waited for or not.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	out, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return err == nil && len(out) == 0
}

// A crash leaves a pid file, and later another program can get that pid.
func TestForeignProcessIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	require.NoError(t, start(t, embedded.PostgresOptions{Dir: dir, Fast: true}).Stop(t.Context()))

	other := exec.Command("sleep", "60")
	require.NoError(t, other.Start())
	defer kill(other)
	data := filepath.Join(dir, "postgres")
	text := strconv.Itoa(other.Process.Pid) + "\n" + data + "\n0\n5432\n\n127.0.0.1\n        0         0\nready   \n"
	require.NoError(t, os.WriteFile(filepath.Join(data, "postmaster.pid"), []byte(text), 0o644))

	start(t, embedded.PostgresOptions{Dir: dir, Fast: true})
	require.False(t, gone(other.Process.Pid))
}

func TestNoPostgresToBeHad(t *testing.T) {
	t.Parallel()
	answer := func(status int) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte("not an archive"))
		}))
		t.Cleanup(srv.Close)
		return srv.URL
	}
	for name, tc := range map[string]struct {
		o    embedded.PostgresOptions
		want string
	}{
		"folder without programs": {embedded.PostgresOptions{BinDir: t.TempDir()}, "name another folder"},
		"nothing to download":     {embedded.PostgresOptions{Download: true, Repository: answer(http.StatusNotFound)}, "404 Not Found"},
		"other archive":           {embedded.PostgresOptions{Download: true, Repository: answer(http.StatusOK)}, "SHA-256"},
		"no server":               {embedded.PostgresOptions{Download: true, Repository: "http://127.0.0.1:1"}, "install PostgreSQL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.o.Dir, tc.o.CacheDir = folder(t), folder(t)
			_, err := embedded.StartPostgres(t.Context(), tc.o)
			require.ErrorIs(t, err, embedded.ErrNoPostgres)
			require.ErrorContains(t, err, tc.want)
			left, err := filepath.Glob(filepath.Join(tc.o.CacheDir, "*postgres*"))
			require.NoError(t, err)
			require.Empty(t, left, "a failed download leaves nothing")
		})
	}
}

func TestDataOfAVersionThatIsGone(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "postgres"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "postgres", "PG_VERSION"), []byte("9\n"), 0o600))
	_, err := embedded.StartPostgres(t.Context(), embedded.PostgresOptions{Dir: dir})
	require.ErrorIs(t, err, embedded.ErrNoPostgres)
	require.ErrorContains(t, err, "written by PostgreSQL 9")
}

func TestUnreachableFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("PostgreSQL runs as another user only when started by root")
	}
	shut := folder(t)
	require.NoError(t, os.Chmod(shut, 0o700))
	_, err := embedded.StartPostgres(t.Context(), embedded.PostgresOptions{Dir: filepath.Join(shut, "data")})
	require.ErrorIs(t, err, embedded.ErrUnreachable)
	require.ErrorContains(t, err, "chmod o+x "+shut)
}

func TestFailedStartLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	require.NoError(t, start(t, embedded.PostgresOptions{Dir: dir, Fast: true}).Stop(t.Context()))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "postgres", "postgresql.conf"), []byte("no_such_setting = 1\n"), 0o644))

	_, err := embedded.StartPostgres(t.Context(), embedded.PostgresOptions{Dir: dir})
	require.ErrorContains(t, err, "no_such_setting", "the log's last lines say why")
	require.NoFileExists(t, filepath.Join(dir, "postgres", "postmaster.pid"))
}

func TestCancelledStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Dir: folder(t)})
	require.ErrorIs(t, err, context.Canceled)
}
