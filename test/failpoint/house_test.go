package failpoint_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/failpoint"
	"waybill/internal/operate"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/testkit"
)

// patience is for what takes a moment, or a group's session that runs out.
const patience = time.Minute

// house is a Waybill of separate processes over a broker and a database of its own.
type house struct {
	t       *testing.T
	db      testkit.DB
	sql     *pgxpool.Pool // sees everything
	kafka   *kafkabus.Client
	brokers string
	key     string
	listen  string // ingest's public listener
	certs   string // folder of the certificate by which SNS is played
}

// open starts ingest; the other services are started by the test.
func open(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, db: testkit.Database(t), key: seal.NewKey(), listen: testkit.FreeAddress(t)}
	h.sql = h.db.Pool(t, testkit.Owner)
	h.brokers = testkit.EmbeddedKafka(t, events.Topics(events.Embedded)...).Addr()
	var err error
	h.kafka, err = kafkabus.New(kafkabus.Config{Brokers: []string{h.brokers}}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.kafka.Close(context.Background())) })
	h.certs = t.TempDir()
	_, err = simulate.KeepCertificate(h.certs)
	require.NoError(t, err)
	h.start("ingest", "")
	return h
}

func (h *house) environment(role string) []string {
	return []string{
		"WAYBILL_KAFKA_BROKERS=" + h.brokers, "WAYBILL_DATABASE_URL=" + h.db.URL(role), "WAYBILL_DATABASE_MAX_CONNS=4",
		"WAYBILL_SECRET_KEY=" + h.key, "WAYBILL_SNS_CERT_DIR=" + h.certs, "WAYBILL_LOG_LEVEL=INFO",
	}
}

// start starts one of a service with a point armed, "" = none.
func (h *house) start(service, armed string) *testkit.Process {
	h.t.Helper()
	role := map[string]string{"router": testkit.Router, "workers": testkit.Worker}[service]
	env := append(h.environment(role), "WAYBILL_ADMIN_LISTEN="+testkit.FreeAddress(h.t))
	if service == "ingest" {
		env = append(env, "WAYBILL_LISTEN="+h.listen, "WAYBILL_PUBLIC_URL="+h.url(), "WAYBILL_INGEST_DRAIN_DELAY=0s")
	}
	if armed != "" {
		env = append(env, "WAYBILL_FAILPOINT="+armed)
	}
	return testkit.Start(h.t, service, env)
}

func (h *house) url() string { return "http://" + h.listen }

// run starts one of the operators' verbs.
func (h *house) run(verb string, flags ...string) *testkit.Process {
	return testkit.Start(h.t, "waybill", h.environment(testkit.Operator), append([]string{verb, "--json"}, flags...)...)
}

// play begins to play the providers for a moment, in weather that makes every
// part of the house work: parked events, repeats, any order.
func (h *house) play() *testkit.Process {
	return h.run("simulate", strings.Fields("--url "+h.url()+" --rate 80 --duration 2s --orgs 3 --early 0.2 --duplicate 0.2 --reorder 0.3 --cross-tenant 0.02")...)
}

// told waits for a simulation's report: rows, counters, timeline and topics are
// those of its model.
func (h *house) told(p *testkit.Process) {
	h.t.Helper()
	r := testkit.Result[simulate.Report](p, 3*time.Minute)
	h.t.Logf("%d callbacks about %d messages, %d e-mails, %d calls, %d contacts, all applied %.1f s after the last; checks %v", r.Accepted, r.Messages, r.Emails, r.Calls, r.Contacts, r.SettledAfter, r.Checks)
	require.Zero(h.t, r.Difference, r.Examples)
}

// balanced waits until every receipt has its outcome.
func (h *house) balanced() {
	h.t.Helper()
	b := testkit.Result[operate.Balance](h.run("audit", "--wait", "60s"), 2*time.Minute)
	require.True(h.t, b.Balanced, "%+v", b)
	require.Zero(h.t, b.InFlight)
	require.Positive(h.t, b.Receipts)
}

func kill(p failpoint.Point, times string) string { return string(p) + "=kill" + times }
func stop(p failpoint.Point) string               { return string(p) + "=stop" }
