// Package privacy feeds canaries to the real processes, people's data that is
// found again wherever it lies, and looks for them where it must not be: in
// logs, metrics, error texts and the topics that others read; and, after the
// person was erased, anywhere in the database.
package privacy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"waybill/internal/app"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/embedded"
	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const patience = 30 * time.Second

// tenant is a seeded organisation, with the account that signs for it.
type tenant struct {
	simulate.Twilio

	org, number string
}

// program is `waybill dev` as a process of its own, which logs all that it can.
type program struct {
	*testkit.Process
	t      *testing.T
	dir    string
	key    string
	ready  app.Ready
	seed   app.Seed
	a, b   tenant
	stripe simulate.Stripe
	client *simulate.Client
	kafka  *kafkabus.Client
	said   []*testkit.Process // everything whose words must be free of canaries
	ids    int
}

func start(t *testing.T) *program {
	t.Helper()
	dir, err := embedded.MkdirTemp("waybill-privacy-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &program{t: t, dir: dir, key: seal.NewKey()}
	file, listen := filepath.Join(dir, "ready.json"), testkit.FreeAddress(t)
	p.Process = p.run("dev", "--data-dir", dir, "--listen", listen, "--admin-listen", "127.0.0.1:0", "--ready-file", file)
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(b, &p.ready) == nil
	}, time.Minute, 10*time.Millisecond, "it does not become ready")
	p.Admin = p.ready.AdminURL
	b, err := os.ReadFile(filepath.Join(dir, app.SeedFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &p.seed))
	for i, to := range []*tenant{&p.a, &p.b} {
		o := p.seed.Orgs[i]
		*to = tenant{simulate.Twilio{PublicURL: p.ready.HTTPURL, Account: o.AccountSID, Token: o.AuthToken}, o.ID, o.Number}
	}
	p.stripe = simulate.Stripe{Secret: p.seed.StripeSecret}
	p.client = simulate.NewClient(p.ready.HTTPURL, 4)
	t.Cleanup(p.client.Close)
	p.kafka, err = newKafka(p.ready.KafkaBrokers)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.kafka.Close(context.Background()) })
	return p
}

func newKafka(addr string) (*kafkabus.Client, error) {
	return kafkabus.New(kafkabus.Config{Brokers: []string{addr}}, nil, nil)
}

// run starts a command; what it says is searched for canaries.
func (p *program) run(verb ...string) *testkit.Process {
	env := append(os.Environ(), "WAYBILL_LOG_LEVEL=DEBUG", "WAYBILL_SECRET_KEY="+p.key, "WAYBILL_RETENTION_INTERVAL=1s",
		"WAYBILL_DATABASE_URL="+p.ready.DatabaseURL, "WAYBILL_KAFKA_BROKERS="+p.ready.KafkaBrokers)
	return p.process("waybill", env, verb...)
}

func (p *program) process(name string, env []string, args ...string) *testkit.Process {
	c := testkit.Start(p.t, name, env, args...)
	p.said = append(p.said, c)
	return c
}

// verb runs a command to its end and wants its exit status.
func (p *program) verb(status int, args ...string) *testkit.Process {
	p.t.Helper()
	c := p.run(args...)
	require.Equal(p.t, status, c.Status(patience), "%v: %s", args, c.Said())
	return c
}

// id returns a new provider's id.
func (p *program) id(prefix string) string {
	p.ids++
	return fmt.Sprintf("%s%032x", prefix, 0xbeef0000+p.ids)
}

// call sends a request that must be answered with a status.
func (p *program) call(r simulate.Request, want int) {
	p.t.Helper()
	got, err := p.client.Do(p.t.Context(), &r)
	require.NoError(p.t, err)
	require.Equal(p.t, want, got, "%s", r.Path)
}

// send records a send as its sender would.
func (p *program) send(s events.Send) {
	p.t.Helper()
	s.Channel, s.Provider = events.SMS, events.Twilio
	line, err := json.Marshal(s)
	require.NoError(p.t, err)
	sent, err := operate.RecordSends(p.t.Context(), bytes.NewReader(line), p.kafka, time.Now, func(int) {})
	require.NoError(p.t, err)
	require.Empty(p.t, sent.Rejected)
}

// database opens the private database as the superuser, whom nothing is hidden from.
func (p *program) database() *pgxpool.Pool {
	p.t.Helper()
	password, err := os.ReadFile(filepath.Join(p.dir, "postgres.password"))
	require.NoError(p.t, err)
	config, err := pgxpool.ParseConfig(p.ready.DatabaseURL)
	require.NoError(p.t, err)
	config.ConnConfig.User, config.ConnConfig.Password, config.MaxConns = testkit.Owner, strings.TrimSpace(string(password)), 4
	pool, err := pgxpool.NewWithConfig(p.t.Context(), config)
	require.NoError(p.t, err)
	p.t.Cleanup(pool.Close)
	return pool
}

// count waits until a query of a number gives what is wanted.
func (p *program) count(db *pgxpool.Pool, want int, query string, args ...any) {
	p.t.Helper()
	var got int
	require.Eventually(p.t, func() bool {
		return db.QueryRow(p.t.Context(), query, args...).Scan(&got) == nil && got == want
	}, patience, 20*time.Millisecond, "%s: not %d", query, want)
}

// values returns everything in a topic: keys, values and headers.
func (p *program) values(topic string) string {
	p.t.Helper()
	var all strings.Builder
	require.NoError(p.t, p.kafka.Scan(p.t.Context(), topic, func(records []events.Record) error {
		for _, r := range records {
			fmt.Fprintf(&all, "%s %s", r.Key, r.Value)
			for _, h := range r.Headers {
				fmt.Fprintf(&all, " %s=%s", h.Key, h.Value)
			}
			all.WriteByte('\n')
		}
		return nil
	}))
	return all.String()
}

// page returns a page of the operators' listener.
func (p *program) page(path string) string {
	p.t.Helper()
	status, body := p.Ask(path)
	require.Equal(p.t, http.StatusOK, status)
	return body
}
