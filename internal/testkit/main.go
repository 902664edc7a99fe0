// Package testkit gives tests the real things: a PostgreSQL with a fresh,
// migrated database for every test, a broker, golden files. Only tests import
// it.
//
// One private PostgreSQL serves all tests of a process. It starts with the
// first test that asks and ends in [Main], so a package that uses it says
//
//	func TestMain(m *testing.M) { testkit.Main(m) }
//
// Nothing here is durable: a test that crashes servers starts its own with
// package embedded.
package testkit

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

// underMain says that somebody will stop what the tests start.
var underMain atomic.Bool

// Option changes what [Main] does.
type Option func(*run)

type run struct {
	leaks   bool
	ignored []goleak.Option
	finally func() error
}

// Finally makes Main call fn after the tests, to stop what they shared.
func Finally(fn func() error) Option { return func(r *run) { r.finally = fn } }

// BuildTags makes [Start] build the commands with these tags, as a comma-separated list.
func BuildTags(tags string) Option { return func(*run) { commands.tags = tags } }

// NoLeaks makes Main fail when goroutines are left after the tests.
func NoLeaks(ignored ...goleak.Option) Option {
	return func(r *run) { r.leaks, r.ignored = true, ignored }
}

// Main runs a package's tests, stops what they shared and exits.
func Main(m *testing.M, options ...Option) {
	r := run{finally: func() error { return nil }}
	for _, o := range options {
		o(&r)
	}
	underMain.Store(true)
	code := m.Run()
	if err := errors.Join(r.finally(), stopShared(), endCommands()); err != nil {
		fmt.Fprintln(os.Stderr, "testkit:", err)
		code = max(code, 1)
	}
	if r.leaks && code == 0 { // a failed test leaves things running; its own message matters more
		if err := goleak.Find(r.ignored...); err != nil {
			fmt.Fprintln(os.Stderr, "testkit:", err)
			code = 1
		}
	}
	os.Exit(code)
}
