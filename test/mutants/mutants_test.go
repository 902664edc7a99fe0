// Package mutants plants known defects in the program, one at a time, and
// requires that a test of the promise that each one breaks fails. What it shows
// is that the tests could fail: one that passes beside its defect holds nothing.
//
// A defect is data: a text of one file and what stands there instead. The file
// that is changed is given to the compiler by `go test -overlay`, migrations
// included, so the working tree is never touched. A defect that does not compile,
// or that the database refuses as a statement, was no defect and is an error;
// so is one whose text no longer stands in its file exactly once.
//
//	fits ─> its tests pass without it ─> planted ─> each of them fails: caught
//	  │                                     ├─> one passes: survived
//	  └─> no longer fits                    └─> does not compile: error
//
// `make test` looks only whether every defect fits; `make test-mutants` plants
// them, two at a time. A new promise gets its defect here; the tests that catch
// it are written for the promise and not for the text that is replaced.
package mutants_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"waybill/internal/testkit"
)

var (
	plant = flag.Bool("mutants", false, "plant the defects and require that each is caught")
	only  = flag.String("mutant", "", "with -mutants: only defects whose name contains this text")
)

// summary is printed behind everything else.
var summary string

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if summary != "" {
		fmt.Fprintln(os.Stdout, summary)
	}
	os.Exit(code)
}

// all are the defects of every layer.
func all() []defect { return slices.Concat(edges, routing, isolation, applying, rules) }

// A defect that fits nowhere would be counted on and plant nothing.
func TestEveryDefectFits(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, d := range all() {
		require.False(t, names[d.name], "two defects are called %q", d.name)
		names[d.name] = true
		require.NotEmpty(t, d.harm, d.name)
		_, err := d.planted(testkit.Root())
		require.NoError(t, err)
		require.NotEmpty(t, d.tests, d.name)
		for _, w := range d.tests {
			require.NoError(t, w.exists(testkit.Root()), d.name)
		}
	}
}

func TestEveryDefectIsCaught(t *testing.T) {
	if !*plant {
		t.Skip("needs -mutants")
	}
	defects := slices.DeleteFunc(all(), func(d defect) bool { return !strings.Contains(d.name, *only) })
	require.NotEmpty(t, defects, "no defect is called %q", *only)
	soundWithout(t, defects)
	out := &table{w: os.Stdout}
	var g errgroup.Group
	g.SetLimit(2)
	for _, d := range defects {
		g.Go(func() error {
			start := time.Now()
			v, err := d.try(t)
			out.add(&d, v, err, time.Since(start))
			return nil
		})
	}
	require.NoError(t, g.Wait())
	summary = fmt.Sprintf("%d of %d planted defects caught", out.caught, len(defects))
	if out.caught != len(defects) {
		t.Fail()
	}
}

// soundWithout requires that the tests pass as long as nothing is planted.
func soundWithout(t *testing.T, defects []defect) {
	t.Helper()
	packages := map[string][]witness{}
	for _, d := range defects {
		for _, w := range d.tests {
			packages[w.in] = append(packages[w.in], w)
		}
	}
	start := time.Now()
	var passed atomic.Int64
	var g errgroup.Group
	g.SetLimit(2)
	for _, tests := range packages {
		g.Go(func() error {
			v, err := judge(t, tests, nil)
			if err == nil && len(v.failed) > 0 {
				err = fmt.Errorf("fails before anything is planted: %s", v.catchers())
			}
			for _, w := range tests {
				if err == nil && !slices.Contains(v.passed, w.id()) {
					err = fmt.Errorf("does not run: %s", w.id())
				}
			}
			passed.Add(int64(len(v.passed)))
			return err
		})
	}
	require.NoError(t, g.Wait())
	fmt.Fprintf(os.Stdout, "%d tests pass without a defect, %.0f s\n\n", passed.Load(), time.Since(start).Seconds())
}

// table prints what became of each defect, as it becomes known.
type table struct {
	mu     sync.Mutex
	w      io.Writer
	caught int
}

func (o *table) add(d *defect, v verdict, err error, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var said string
	switch blind := v.blind(d.tests); {
	case err != nil:
		said = "ERROR: " + err.Error()
	case len(blind) > 0:
		said = "SURVIVED " + strings.Join(blind, ", ") + ": " + d.harm
	default:
		o.caught++
		said = v.catchers()
	}
	fmt.Fprintf(o.w, "%5.1f s  %-58s %s\n", took.Seconds(), d.name, said)
}
