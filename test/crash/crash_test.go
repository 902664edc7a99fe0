// Package crash kills `waybill dev` again and again under load and then counts:
// nothing that was acknowledged is lost, nothing is counted twice, and the
// counters equal the recount.
//
// By default it is killed twice, so that `make test` stays short; `make
// test-crash` kills it ten times.
package crash_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var thorough = flag.Bool("crash", false, "kill ten times instead of twice")

const (
	rate     = 1000 // callbacks a second that are offered
	patience = 2 * time.Minute
)

func TestCrash(t *testing.T) {
	kills, between := 2, 1000
	if *thorough {
		kills, between = 10, 2500
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)

	p := newProgram(t)
	p.start()
	load := newLoad(t, p, random.Uint64())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	played := make(chan struct{})
	go func() {
		defer close(played)
		load.run(ctx)
	}()

	began := time.Now()
	for i := range kills {
		load.waitFor(between/2 + random.IntN(between))
		p.kill()
		took := p.start()
		t.Logf("kill %d: %d callbacks acknowledged so far, ready again after %s", i+1, load.acked.Load(), took.Round(time.Millisecond))
	}
	load.waitFor(between)
	load.finish()
	select {
	case <-played:
	case <-time.After(patience):
		require.FailNow(t, "callbacks are still not acknowledged")
	}
	seconds := time.Since(began).Seconds()
	require.NoError(t, load.failure())
	t.Logf("%d kills in %.0f s: %d messages, %d callbacks acknowledged (%.0f a second), %d of them repeats, %d attempts failed and were repeated",
		kills, seconds, load.messages.Load(), load.acked.Load(), float64(load.acked.Load())/seconds, load.repeats.Load(), load.retries.Load())

	p.untilNothingIsHeld()
	audit := p.audit()
	require.True(t, audit.Balanced, "audit: %+v", audit)
	require.Zero(t, audit.InFlight)
	require.Empty(t, audit.Held)
	t.Logf("audit: %d receipts = final %v + held %v + duplicates %d", audit.Receipts, audit.Final, audit.Held, audit.Duplicates)

	v := newVerdict(t, p)
	v.rows(load)
	v.events(load)
	v.counters(load)
	v.statusEvents(load)
	t.Logf("lost %d, counted twice %d, wrong rows %d, counters that differ %d, status events wrong %d", v.lost, v.twice, v.wrong, v.differ, v.told)
	require.Zero(t, v.lost+v.twice+v.wrong+v.differ+v.told, fmt.Sprint(v.examples))
	require.Zero(t, p.stop(), "SIGTERM ends it with status 0")
}
