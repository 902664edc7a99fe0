package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// shutdown is how a server is asked to end, ever less politely:
//
//	SIGINT   fast: roll back, write everything out
//	SIGQUIT  immediate: recovers at the next start; kills its own children after 5 s
//	SIGKILL  its children notice that it is gone
var shutdown = []struct {
	signal  syscall.Signal
	patient time.Duration
}{
	{syscall.SIGINT, 10 * time.Second},
	{syscall.SIGQUIT, 7 * time.Second},
	{syscall.SIGKILL, 5 * time.Second},
}

// hurried is how long each step may take once the time for a stop is over.
const hurried = time.Second

// orNever returns what ends a polite wait early.
func orNever(ctx context.Context, polite bool) <-chan struct{} {
	if polite {
		return ctx.Done()
	}
	return nil
}

var errWillNotStop = errors.New("PostgreSQL does not stop")

// server is a postmaster that we started.
type server struct {
	process *os.Process
	done    chan struct{} // closed when the process has ended and was waited for
}

// startServer starts the process. Linux sends the signal for a parent's death
// when the starting thread ends, so that thread is kept until the process ends.
func startServer(cmd *exec.Cmd) (*server, error) {
	started := make(chan error)
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended stands in its log
		close(done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return &server{process: cmd.Process, done: done}, nil
}

// stop asks ever less politely; the end of ctx makes it skip the polite part.
func (s *server) stop(ctx context.Context, log *slog.Logger) error {
	for i, step := range shutdown {
		if i > 0 {
			log.Warn("private postgresql did not stop when asked", "next", step.signal.String())
		}
		if err := s.process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stopping PostgreSQL: %w", err)
		}
		patient := step.patient
		if ctx.Err() != nil {
			patient = min(patient, hurried)
		}
		select {
		case <-s.done:
			return nil
		case <-orNever(ctx, i == 0):
		case <-time.After(patient):
		}
	}
	return errWillNotStop
}
