// Package app wires the rooms into processes, in straight lines: it is the only
// one that knows concrete things. Whatever is started pushes its cleanup at
// once; a process stops in the reverse order, also when its start fails half way.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"waybill/internal/obs"
)

// stopTimeout bounds a whole stop: SIGTERM must end a process within 10 s.
const stopTimeout = 9500 * time.Millisecond

// process is something that runs: parts with their cleanups, newest first.
type process struct {
	log      *slog.Logger
	registry *prometheus.Registry
	health   *obs.Health
	cleanups []cleanup
	failed   chan error        // the first part that ended by itself
	instance string            // tells it from all other processes, and its successor has it again
	flags    map[string]string // what an operator sets instead of a variable
}

type cleanup struct {
	name string
	fn   func(context.Context) error
}

// newProcess returns a process that is not ready until all the checks are good.
func newProcess(log *slog.Logger, checks ...string) *process {
	return &process{log: log, registry: obs.NewRegistry(), health: obs.NewHealth(checks...), failed: make(chan error, 1)}
}

// onStop pushes a cleanup.
func (p *process) onStop(name string, fn func(context.Context) error) {
	p.cleanups = append(p.cleanups, cleanup{name, fn})
}

// start runs a part until its cleanup cancels it. A part that ends by itself
// ends the process.
func (p *process) start(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("it ended by itself")
			}
			p.fail(fmt.Errorf("%s stopped: %w", name, err))
		}
		done <- err
	}()
	p.onStop(name, func(stop context.Context) error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-stop.Done():
			return errors.New("did not stop in time")
		}
	})
}

func (p *process) fail(err error) {
	select {
	case p.failed <- err:
	default: // one reason is enough
	}
}

// wait returns when ctx is done (nil) or a part has ended by itself.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.failed:
		return err
	}
}

// stop undoes everything, newest first, within stopTimeout.
func (p *process) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		c := p.cleanups[i]
		if err := c.fn(ctx); err != nil {
			p.log.Error("stopping failed", "part", c.name, "error", err)
			errs = append(errs, fmt.Errorf("stopping %s: %w", c.name, err))
		}
	}
	p.cleanups = nil
	return errors.Join(errs...)
}

// listen opens a port. The error is one sentence that names what to change.
func (p *process) listen(variable, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s (%s): %w; choose another address, or stop the program that has it",
			addr, cmp.Or(p.flags[variable], variable), rootCause(err))
	}
	return l, nil
}

// rootCause drops the layers that repeat the address.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// serveAdmin opens the operators' listener.
func (p *process) serveAdmin(addr string) (string, error) {
	l, err := p.listen("WAYBILL_ADMIN_LISTEN", addr)
	if err != nil {
		return "", err
	}
	p.start("admin", func(ctx context.Context) error { return obs.Serve(ctx, l, obs.Admin(p.registry, p.health)) })
	if host, err := os.Hostname(); err == nil {
		// No two processes of a host have the address at a time.
		p.instance = host + "/" + l.Addr().String()
	}
	return l.Addr().String(), nil
}

// run is the life of a single-purpose process: build, run until ctx is done,
// stop. The check is not good until its part does its work.
func run(ctx context.Context, log *slog.Logger, check string, build func(context.Context, *process) error) error {
	p := newProcess(log, check)
	err := build(ctx, p)
	if err == nil {
		log.Info("started")
		err = p.wait(ctx)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // asked to stop while starting
	}
	return errors.Join(err, p.stop())
}
