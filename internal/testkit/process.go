package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stopsWithin is a promise: SIGTERM ends every command in this time.
const stopsWithin = 10 * time.Second

// commands are the programs of cmd/, built by the first test that runs one.
var commands struct {
	once sync.Once
	dir  string
	tags string // to build with
	err  error
}

// Root is the repository's folder.
func Root() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..")
}

func buildCommands() {
	if commands.dir, commands.err = os.MkdirTemp("", "waybill-commands-"); commands.err != nil {
		return
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-tags", commands.tags, "-o", commands.dir, "./cmd/...")
	build.Dir = Root()
	if out, err := build.CombinedOutput(); err != nil {
		commands.err = fmt.Errorf("building the commands: %w\n%s", err, out)
	}
}

// endCommands gives back what starting commands took.
func endCommands() error {
	if launcher.jobs != nil {
		close(launcher.jobs)
	}
	if commands.dir == "" {
		return nil
	}
	return os.RemoveAll(commands.dir)
}

// Process is one of the commands as a process of its own. It dies with the test.
type Process struct {
	Name  string
	Admin string // base URL of its admin listener, if its environment names one

	tb     testing.TB
	cmd    *exec.Cmd
	out    bytes.Buffer // standard output; complete once it has ended
	said   bytes.Buffer // standard error; complete once it has ended
	exited chan struct{}
	err    error // of the exit; read after exited
}

// Start starts a command with nothing in its environment but these variables.
func Start(tb testing.TB, name string, env []string, args ...string) *Process {
	tb.Helper()
	if !underMain.Load() {
		tb.Fatal("nobody would remove the commands: add `func TestMain(m *testing.M) { testkit.Main(m) }` to this package")
	}
	commands.once.Do(buildCommands)
	require.NoError(tb, commands.err)
	// The test's context is over before its cleanups are: those end the process.
	cmd := exec.CommandContext(context.Background(), filepath.Join(commands.dir, name), args...)
	p := &Process{Name: name, tb: tb, cmd: cmd, exited: make(chan struct{})}
	for _, e := range env {
		if addr, ok := strings.CutPrefix(e, "WAYBILL_ADMIN_LISTEN="); ok {
			p.Admin = "http://" + addr
		}
	}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append([]string{}, env...), &p.out, &p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it must not outlive a test that is killed itself
	require.NoError(tb, launch(p.cmd))
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	tb.Cleanup(func() {
		if p.Running() {
			_ = p.cmd.Process.Kill()
		}
		<-p.exited
		if tb.Failed() {
			said := p.said.Bytes()
			tb.Logf("%s said:\n%s", name, said[max(0, len(said)-8000):])
		}
	})
	return p
}

// launcher is the one thread that starts processes: the kernel sends the death
// signal when the thread that started a process ends, and this one ends last.
var launcher struct {
	once sync.Once
	jobs chan func()
}

func launch(cmd *exec.Cmd) error {
	launcher.once.Do(func() {
		launcher.jobs = make(chan func())
		go func() {
			runtime.LockOSThread()
			for job := range launcher.jobs {
				job()
			}
		}()
	})
	started := make(chan error, 1)
	launcher.jobs <- func() { started <- cmd.Start() }
	return <-started
}

// Running says whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// PID returns the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.tb.Helper()
	require.NoError(p.tb, p.cmd.Process.Signal(s))
}

// Kill ends the process as a power cut would, and waits until it is gone.
func (p *Process) Kill() {
	p.tb.Helper()
	p.Signal(syscall.SIGKILL)
	<-p.exited
}

// Stop asks the process to end and returns its exit status. It must end within
// the time that is promised.
func (p *Process) Stop() int {
	p.tb.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Status(stopsWithin)
}

// Status waits until the process ends by itself and returns its exit status.
func (p *Process) Status(within time.Duration) int {
	p.tb.Helper()
	select {
	case <-p.exited:
	case <-time.After(within):
		require.FailNow(p.tb, "it does not end", "%s has not ended after %s", p.Name, within)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(p.tb, p.err)
	return 0
}

// Said returns what the process wrote to standard error, once it has ended.
func (p *Process) Said() string { <-p.exited; return p.said.String() }

// Result waits until a command has ended and reads the JSON that it printed,
// whatever its exit status.
func Result[T any](p *Process, within time.Duration) (result T) {
	p.tb.Helper()
	p.Status(within)
	require.NoError(p.tb, json.Unmarshal(p.out.Bytes(), &result), "%s printed no JSON: %s", p.Name, p.said.String())
	return result
}

// Ask returns what the admin listener answers, status 0 while it does not.
func (p *Process) Ask(path string) (status int, body string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	req, err := http.NewRequestWithContext(p.tb.Context(), http.MethodGet, p.Admin+path, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// Await waits until the admin listener answers a path with a status.
func (p *Process) Await(path string, want int) {
	p.tb.Helper()
	require.Eventually(p.tb, func() bool { got, _ := p.Ask(path); return got == want || !p.Running() }, time.Minute, 20*time.Millisecond,
		"%s: %s is not %d", p.Name, path, want)
	require.True(p.tb, p.Running(), "%s has ended", p.Name)
}

// FreeAddress returns an address on this machine that nobody listens on. Its
// port lies below those that the kernel gives to outgoing connections: one of
// these could take it before it is listened on, or while a process restarts.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	for {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.IntN(20_000)))
		if l, err := net.Listen("tcp", addr); err == nil {
			require.NoError(tb, l.Close())
			return addr
		}
	}
}
