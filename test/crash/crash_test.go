// Package crash kills `waybill dev` again and again under load, while `waybill
// simulate` plays the providers, and then counts: nothing that was acknowledged
// is lost, nothing is counted twice, and the counters equal the recount.
//
// By default it is killed twice, so that `make test` stays short; `make
// test-crash` kills it ten times.
package crash_test

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/app"
	"waybill/internal/embedded"
	"waybill/internal/operate"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/testkit"
)

var thorough = flag.Bool("crash", false, "kill ten times instead of twice")

func TestMain(m *testing.M) { testkit.Main(m) }

func TestCrash(t *testing.T) {
	kills, between := 2, 2*time.Second
	if *thorough {
		kills, between = 10, 3*time.Second
	}
	p := newProgram(t)
	p.start()
	playing := p.simulate("--rate", "1000", "--duration", "30m", "--orgs", "10", // until it is told to end
		"--early", "0.05", "--duplicate", "0.1", "--reorder", "0.5", "--forge", "0.02", "--cross-tenant", "0.01")
	wait := func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-playing.Exited():
			require.FailNow(t, "the simulation ended too soon", playing.Said())
		}
	}
	for i := range kills {
		wait(between/2 + rand.N(between/2))
		p.Kill()
		t.Logf("kill %d: ready again after %s", i+1, p.start().Round(time.Millisecond))
	}
	wait(between)
	playing.Signal(syscall.SIGTERM)
	r := testkit.Result[simulate.Report](playing, 5*time.Minute)
	t.Logf("%d kills: %d messages, %d e-mails, %d calls, %d contacts, %d callbacks acknowledged in %.0f s (%.0f a second), %d attempts failed and were repeated",
		kills, r.Messages, r.Emails, r.Calls, r.Contacts, r.Accepted, r.Seconds, r.Rate, r.Retries)
	b := testkit.Result[operate.Balance](p.run("audit", "--json", "--wait", "60s"), 2*time.Minute)
	t.Logf("audit: %d receipts = final %v + held %v + duplicates %d", b.Receipts, b.Final, b.Held, b.Duplicates)
	t.Logf("checks %v: difference %d", r.Checks, r.Difference)
	require.Zero(t, r.Difference, r.Examples)
	require.Positive(t, r.Retries, "no kill was ever noticed")
	for provider, played := range map[string]int{"twilio": r.Messages, "ses": r.Emails, "connect": r.Contacts, "stripe": r.Subscriptions} {
		require.Positive(t, played, provider)
	}
	require.True(t, b.Balanced, "%+v", b)
	require.Zero(t, b.InFlight)
	require.Zero(t, p.Stop(), "SIGTERM ends it with status 0")
}

// program is `waybill dev`, on one data folder.
type program struct {
	*testkit.Process
	t      *testing.T
	dir    string
	listen string
	key    string
	ready  app.Ready
}

func newProgram(t *testing.T) *program {
	t.Helper()
	dir, err := embedded.MkdirTemp("waybill-crash-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &program{t: t, dir: dir, listen: testkit.FreeAddress(t), key: seal.NewKey()}
}

// start starts the program and returns how long it took to be ready.
func (p *program) start() time.Duration {
	p.t.Helper()
	began := time.Now()
	file := filepath.Join(p.dir, "ready.json")
	require.NoError(p.t, os.RemoveAll(file)) // that of the last run must not be taken for this one's
	p.Process = p.run("dev", "--no-seed", "--data-dir", p.dir, "--listen", p.listen, "--admin-listen", "127.0.0.1:0", "--ready-file", file)
	require.Eventually(p.t, func() bool {
		b, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(b, &p.ready) == nil
	}, time.Minute, 5*time.Millisecond, "it does not become ready")
	return time.Since(began)
}

// run runs one of the command's verbs.
func (p *program) run(verb ...string) *testkit.Process {
	return testkit.Start(p.t, "waybill", append(os.Environ(), "WAYBILL_LOG_LEVEL=WARN", "WAYBILL_SECRET_KEY="+p.key,
		"WAYBILL_DATABASE_URL="+p.ready.DatabaseURL, "WAYBILL_KAFKA_BROKERS="+p.ready.KafkaBrokers), verb...)
}

func (p *program) simulate(flags ...string) *testkit.Process {
	return p.run(append([]string{"simulate", "--json", "--url", p.ready.HTTPURL, "--sns-cert-dir", filepath.Join(p.dir, "sns")}, flags...)...)
}
