package cluster_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/embedded"
	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/testkit"
)

// cluster is a Waybill of separate processes.
type cluster struct {
	t        *testing.T
	broker   broker
	database func(role string) string
	key      string
	listen   string // ingest's public listener
	profile  string // of the topics

	databaseDir string
	databasePID int // of PostgreSQL's first process, the parent of the others

	ingest  *testkit.Process
	routers []*testkit.Process
	workers []*testkit.Process
}

const password = "of-every-role"

// newCluster starts brokers, a database with a fresh schema, and one of each process.
func newCluster(t *testing.T, brokers int) *cluster {
	t.Helper()
	b, profile := startBroker(t, brokers, events.Embedded)
	return newClusterOn(t, b, profile)
}

// newClusterOn is newCluster on brokers that run already.
func newClusterOn(t *testing.T, b broker, profile string) *cluster {
	t.Helper()
	c := &cluster{t: t, key: seal.NewKey(), listen: testkit.FreeAddress(t), broker: b, profile: profile}
	c.startDatabase()
	require.Zero(t, c.run(nil, "topics", "create", "--profile", c.profile))
	c.ingest = c.start("ingest")
	c.routers = append(c.routers, c.start("router"))
	c.workers = append(c.workers, c.start("workers"))
	for _, p := range []*testkit.Process{c.ingest, c.routers[0], c.workers[0]} {
		p.Await("/readyz", http.StatusOK)
	}
	return c
}

func (c *cluster) startDatabase() {
	dir, err := embedded.MkdirTemp("waybill-cluster-")
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pg, err := embedded.StartPostgres(c.t.Context(), embedded.PostgresOptions{Dir: dir})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { require.NoError(c.t, pg.Stop(context.Background())) })
	pid, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	require.NoError(c.t, err)
	line, _, _ := strings.Cut(string(pid), "\n")
	c.databasePID, err = strconv.Atoi(line)
	require.NoError(c.t, err)
	c.databaseDir = dir
	const name, owner = "waybill", "waybill_owner"
	require.NoError(c.t, pg.CreateDatabase(c.t.Context(), name))
	require.NoError(c.t, pg.CreateOwner(c.t.Context(), owner, name))
	require.NoError(c.t, pg.SetPassword(c.t.Context(), owner, password))
	c.database = func(role string) string { return pg.URL(role, password, name) }
	require.Zero(c.t, c.run([]string{"WAYBILL_DATABASE_URL=" + c.database(owner)}, "migrate", "up"))
	for _, role := range []string{testkit.Router, testkit.Worker, testkit.Operator} {
		require.NoError(c.t, pg.SetPassword(c.t.Context(), role, password))
	}
}

// environment is what every process of the cluster is given.
func (c *cluster) environment(role string) []string {
	return []string{
		"WAYBILL_KAFKA_BROKERS=" + c.broker.addresses(), "WAYBILL_DATABASE_URL=" + c.database(role), "WAYBILL_SECRET_KEY=" + c.key,
		"WAYBILL_LOG_LEVEL=INFO",
	}
}

// start starts one more of a service.
func (c *cluster) start(service string) *testkit.Process {
	c.t.Helper()
	return c.startAt(service, testkit.FreeAddress(c.t))
}

// killed kills a process and starts it anew, as whatever watches over it would.
func (c *cluster) killed(p *testkit.Process) *testkit.Process {
	c.t.Helper()
	p.Kill()
	return c.startAt(p.Name, strings.TrimPrefix(p.Admin, "http://"))
}

func (c *cluster) startAt(service, admin string) *testkit.Process {
	c.t.Helper()
	role := map[string]string{"router": testkit.Router, "workers": testkit.Worker}[service]
	env := append(c.environment(role), "WAYBILL_ADMIN_LISTEN="+admin)
	if service == "ingest" {
		env = append(env, "WAYBILL_LISTEN="+c.listen, "WAYBILL_PUBLIC_URL=http://"+c.listen, "WAYBILL_INGEST_DRAIN_DELAY=0s")
	}
	return testkit.Start(c.t, service, env)
}

// run runs one of the operators' verbs and returns its exit status.
func (c *cluster) run(env []string, verb ...string) int {
	c.t.Helper()
	if env == nil {
		env = c.environment(testkit.Operator)
	}
	return testkit.Start(c.t, "waybill", env, verb...).Status(time.Minute)
}

// weather is how a simulation goes, as flags.
type weather struct {
	rate     int
	duration time.Duration
	flags    string
}

// untilEnded makes the load go on until the simulation is sent SIGTERM: a machine
// that is slow in what the test does meanwhile must not outlive it.
func (w weather) untilEnded() weather {
	w.duration = 20 * time.Minute
	return w
}

// bad is the weather in which everything must hold.
const bad = "--early 0.1 --duplicate 0.2 --reorder 0.3 --forge 0.05 --cross-tenant 0.01 --orgs 50"

// simulate begins to play the providers: messages, which the figures are about.
// To sign as SNS would take the generator a processor of its own.
func (c *cluster) simulate(w weather) *testkit.Process {
	args := append([]string{
		"simulate", "--json", "--url", "http://" + c.listen, "--rate", fmt.Sprint(w.rate), "--duration", w.duration.String(),
		"--mix", "messages=99;billing=1",
	}, strings.Fields(w.flags)...)
	return testkit.Start(c.t, "waybill", c.environment(testkit.Operator), args...)
}

// verdict waits for a simulation's report, which must be without a difference.
func (c *cluster) verdict(p *testkit.Process) (r simulate.Report) {
	c.t.Helper()
	r = testkit.Result[simulate.Report](p, 10*time.Minute)
	c.t.Logf("%d callbacks accepted in %.0f s (%.0f a second), %d messages; answers %v, retries %d; p50 %.1f ms, p99 %.1f ms; settled %.1f s after the last; generator %.1f s of processor time",
		r.Accepted, r.Seconds, r.Rate, r.Messages, r.Answers, r.Retries, r.Latency.P50, r.Latency.P99, r.SettledAfter, r.CPUSeconds)
	c.t.Logf("checks %v: difference %d", r.Checks, r.Difference)
	c.t.Log(c.costs())
	require.Zero(c.t, r.Difference, r.Examples)
	return r
}

// audit requires that every receipt is accounted for.
func (c *cluster) audit() {
	c.t.Helper()
	p := testkit.Start(c.t, "waybill", c.environment(testkit.Operator), "audit", "--json", "--wait", "60s")
	b := testkit.Result[operate.Balance](p, 2*time.Minute)
	require.True(c.t, b.Balanced, "%+v", b)
	require.Zero(c.t, b.InFlight)
	c.t.Logf("audit: %d receipts = final %v + held %v + duplicates %d", b.Receipts, b.Final, b.Held, b.Duplicates)
}

// stop ends every process as an operator does.
func (c *cluster) stop() {
	c.t.Helper()
	for _, p := range append(append([]*testkit.Process{c.ingest}, c.routers...), c.workers...) {
		began := time.Now()
		require.Zero(c.t, p.Stop(), "%s after SIGTERM", p.Name)
		c.t.Logf("%s stopped within %s", p.Name, time.Since(began).Round(time.Millisecond))
	}
}
