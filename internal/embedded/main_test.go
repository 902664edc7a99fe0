package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"waybill/internal/embedded"
)

// helperEnv names what the test binary does instead of testing, so that tests
// have another process to kill.
const helperEnv = "EMBEDDED_TEST_HELPER"

func TestMain(m *testing.M) {
	if what := os.Getenv(helperEnv); what != "" {
		if err := help(what, os.Args[len(os.Args)-1]); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		select {} // until killed
	}
	goleak.VerifyTestMain(m)
}

// help does the helper's work, prints "ok" and a process id, and leaves it running.
func help(what, dir string) error {
	ctx := context.Background()
	if _, err := embedded.Lock(dir); err != nil {
		return err
	}
	o := embedded.PostgresOptions{Dir: dir, Fast: true}
	switch what {
	case "lock":
		fmt.Println("ok", os.Getpid())
		return nil
	case "outlive":
		o.OutliveParent()
	}
	pg, err := embedded.StartPostgres(ctx, o)
	if err != nil {
		return err
	}
	if err := pg.CreateDatabase(ctx, "left_behind"); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil {
		return err
	}
	pid, _, _ := strings.Cut(string(text), "\n")
	fmt.Println("ok", pid)
	return nil
}

// startHelper runs the test binary as a helper on a folder and returns it with
// the process id that it printed.
func startHelper(t *testing.T, what, dir string) (helper *exec.Cmd, pid int) {
	t.Helper()
	helper = exec.Command(os.Args[0], dir)
	helper.Env = append(os.Environ(), helperEnv+"="+what)
	helper.Stderr = os.Stderr
	out, err := helper.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, helper.Start())
	t.Cleanup(func() { kill(helper) })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	word, number, _ := strings.Cut(strings.TrimSpace(line), " ")
	require.Equal(t, "ok", word, line)
	pid, err = strconv.Atoi(number)
	require.NoError(t, err)
	return helper, pid
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// folder returns a data folder that PostgreSQL's user can enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := embedded.MkdirTemp("waybill-embedded-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}
