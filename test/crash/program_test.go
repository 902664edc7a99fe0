package crash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/app"
	"waybill/internal/embedded"
	"waybill/internal/history"
	"waybill/internal/operate"
)

// program is `waybill dev` as a process of its own, on one data folder.
type program struct {
	t      *testing.T
	binary string
	dir    string
	listen string
	ready  app.Ready
	seed   app.Seed
	cmd    *exec.Cmd
	exited chan error
	log    bytes.Buffer
}

func newProgram(t *testing.T) *program {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	binary := filepath.Join(t.TempDir(), "waybill")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/waybill")
	build.Dir = filepath.Join(filepath.Dir(here), "..", "..")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	dir, err := embedded.MkdirTemp("waybill-crash-")
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	p := &program{t: t, binary: binary, dir: dir, listen: l.Addr().String()}
	t.Cleanup(func() {
		if p.cmd != nil {
			_ = p.cmd.Process.Kill()
			<-p.exited
		}
		if t.Failed() {
			t.Logf("the program said:\n%s", tail(p.log.Bytes(), 8000))
		}
		_ = os.RemoveAll(dir)
	})
	return p
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// start starts the program and returns how long it took to be ready.
func (p *program) start() time.Duration {
	p.t.Helper()
	began := time.Now()
	file := filepath.Join(p.dir, "ready.json")
	p.cmd = exec.Command(p.binary, "dev", "--data-dir", p.dir, "--listen", p.listen, "--admin-listen", "127.0.0.1:0", "--ready-file", file)
	p.cmd.Env = append(os.Environ(), "WAYBILL_LOG_LEVEL=WARN")
	p.cmd.Stderr = &p.log
	// It must not outlive a test that is killed itself.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// The ready file of the last run must not be taken for this one's.
	require.NoError(p.t, os.RemoveAll(file))
	runtime.LockOSThread() // Pdeathsig goes by the thread that starts the process
	require.NoError(p.t, p.cmd.Start())
	exited := make(chan error, 1)
	p.exited = exited
	go func(cmd *exec.Cmd) { exited <- cmd.Wait() }(p.cmd)
	require.Eventually(p.t, func() bool {
		b, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(b, &p.ready) == nil
	}, time.Minute, 5*time.Millisecond, "it does not become ready")
	if len(p.seed.Orgs) == 0 { // it stays the same, and the load reads it by now
		b, err := os.ReadFile(filepath.Join(p.dir, app.SeedFile))
		require.NoError(p.t, err)
		require.NoError(p.t, json.Unmarshal(b, &p.seed))
	}
	return time.Since(began)
}

// kill ends the program as a power cut would, and waits until it is gone.
func (p *program) kill() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGKILL))
	<-p.exited
	p.cmd = nil
}

// stop asks the program to end and returns its exit status.
func (p *program) stop() int {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	var err error
	select {
	case err = <-p.exited:
	case <-time.After(10 * time.Second):
		require.FailNow(p.t, "it has not ended 10 s after SIGTERM")
	}
	p.cmd = nil
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(p.t, err)
	return 0
}

// ask runs one of the operators' verbs and reads its JSON.
func (p *program) ask(into any, verb ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.binary, append(verb, "--json")...)
	cmd.Env = append(os.Environ(), "WAYBILL_DATABASE_URL="+p.ready.DatabaseURL, "WAYBILL_KAFKA_BROKERS="+p.ready.KafkaBrokers)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		p.t.Logf("%v: %v\n%s", verb, err, errOut.String())
	}
	require.NoError(p.t, json.Unmarshal(out, into), errOut.String())
}

// audit waits until everything is consumed, and checks the sums.
func (p *program) audit() (b operate.Balance) {
	p.t.Helper()
	began := time.Now()
	p.ask(&b, "audit", "--wait", "60s")
	p.t.Logf("audit took %s", time.Since(began).Round(time.Millisecond))
	return b
}

// untilNothingIsHeld waits for what was being released when the program was
// killed: its lease has to run out.
func (p *program) untilNothingIsHeld() {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		var held []history.Held
		p.ask(&held, "held", "list")
		return len(held) == 0
	}, 30*time.Second, 100*time.Millisecond, "events are still held")
}
