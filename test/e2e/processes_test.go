package e2e_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/embedded"
	"waybill/internal/events"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/testkit"
)

// services are the single-purpose processes.
var services = []string{"ingest", "router", "workers"}

// run starts a service with nothing in its environment but these variables.
func run(t *testing.T, name string, env ...string) *testkit.Process {
	t.Helper()
	return testkit.Start(t, name, env)
}

// endsWithin is how long a service may take to refuse to start.
const endsWithin = 10 * time.Second

// genuine is an environment in which the service could work if there were a
// broker and a database.
func genuine(t *testing.T, name string) []string {
	t.Helper()
	env := []string{"WAYBILL_ADMIN_LISTEN=" + testkit.FreeAddress(t), "WAYBILL_KAFKA_BROKERS=" + testkit.FreeAddress(t)}
	if name == "ingest" {
		return append(env, "WAYBILL_LISTEN="+testkit.FreeAddress(t), "WAYBILL_PUBLIC_URL=https://hooks.example.com", "WAYBILL_SECRET_KEY="+seal.NewKey(),
			"WAYBILL_INGEST_DRAIN_DELAY=0s", "WAYBILL_INGEST_REQUEST_TIMEOUT=1s")
	}
	return append(env, "WAYBILL_DATABASE_URL=postgres://waybill_router:hunter2@"+testkit.FreeAddress(t)+"/waybill")
}

func TestServicesListEveryProblemOfTheirConfiguration(t *testing.T) {
	t.Parallel()
	kafka := []string{
		"WAYBILL_KAFKA_BROKERS=nowhere", "WAYBILL_KAFKA_USERNAME=somebody", "WAYBILL_KAFKA_PASSWORD=hunter2", "WAYBILL_LOG_LEVEL=loud",
		"WAYBILL_KAFKA_TLS=perhaps",
	}
	kafkaNames := []string{"WAYBILL_KAFKA_BROKERS", "WAYBILL_KAFKA_SASL_MECHANISM", "WAYBILL_LOG_LEVEL", "WAYBILL_KAFKA_TLS"}
	database := []string{
		"WAYBILL_ADMIN_LISTEN=8082", "WAYBILL_DATABASE_URL=postgres://waybill_router:hunter2@db:port/waybill",
	}
	for _, c := range []struct {
		name, service string
		env, want     []string
	}{
		{"empty", "ingest", nil, []string{"WAYBILL_PUBLIC_URL", "WAYBILL_SECRET_KEY"}},
		{"empty", "router", nil, []string{"WAYBILL_DATABASE_URL"}},
		{"empty", "workers", nil, []string{"WAYBILL_DATABASE_URL"}},
		{
			"contradictory", "ingest",
			append([]string{
				"WAYBILL_LISTEN=127.0.0.1:9", "WAYBILL_ADMIN_LISTEN=127.0.0.1:9", "WAYBILL_PUBLIC_URL=https://user:hunter2@hooks.example.com",
				"WAYBILL_SECRET_KEY=hunter2", "WAYBILL_INGEST_REQUEST_TIMEOUT=1m", "WAYBILL_INGEST_MAX_CONNECTIONS=many",
			}, kafka...),
			append([]string{
				"WAYBILL_ADMIN_LISTEN: must differ", "WAYBILL_PUBLIC_URL", "WAYBILL_SECRET_KEY", "WAYBILL_INGEST_REQUEST_TIMEOUT",
				"WAYBILL_INGEST_MAX_CONNECTIONS",
			}, kafkaNames...),
		},
		{
			"contradictory", "router",
			append(append([]string{"WAYBILL_PARK_MAX_AGE=soon"}, database...), kafka...),
			append([]string{"WAYBILL_PARK_MAX_AGE", "WAYBILL_ADMIN_LISTEN", "WAYBILL_DATABASE_URL"}, kafkaNames...),
		},
		{
			"contradictory", "workers",
			append(database, kafka...), append([]string{"WAYBILL_ADMIN_LISTEN", "WAYBILL_DATABASE_URL"}, kafkaNames...),
		},
	} {
		t.Run(c.service+" "+c.name, func(t *testing.T) {
			t.Parallel()
			s := run(t, c.service, c.env...)
			require.Equal(t, 1, s.Status(endsWithin))
			said := s.Said()
			for _, name := range c.want {
				require.Contains(t, said, name)
			}
			require.NotContains(t, said, "hunter2")
			require.NotContains(t, said, "goroutine")
			for _, line := range strings.Split(strings.TrimSpace(said), "\n")[1:] {
				require.True(t, strings.HasPrefix(line, "  WAYBILL_"), "one problem a line: %s", line)
			}
		})
	}
}

func TestServicesWaitForWhatIsAway(t *testing.T) {
	t.Parallel()
	for _, name := range services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := run(t, name, genuine(t, name)...)
			s.Await("/healthz", http.StatusOK)
			status, body := s.Ask("/readyz")
			require.Equal(t, http.StatusServiceUnavailable, status, body)
			require.NotContains(t, body, "hunter2")
			require.True(t, s.Running(), "it gave up")
			require.Zero(t, s.Stop())
			require.NotContains(t, s.Said(), "hunter2")
		})
	}
}

func TestServicesRefuseAnOldSchema(t *testing.T) {
	h := open(t) // not in parallel: others may stop its database
	empty := strings.Replace(h.ready.DatabaseURL, "/waybill?", "/postgres?", 1)
	require.NotEqual(t, h.ready.DatabaseURL, empty)
	for _, name := range services[1:] {
		t.Run(name, func(t *testing.T) {
			s := run(t, name, "WAYBILL_ADMIN_LISTEN="+testkit.FreeAddress(t), "WAYBILL_KAFKA_BROKERS="+h.ready.KafkaBrokers, "WAYBILL_DATABASE_URL="+empty)
			require.Equal(t, 1, s.Status(endsWithin))
			said := s.Said()
			require.Contains(t, said, "`waybill migrate up`")
			last := said[strings.LastIndexByte(strings.TrimSpace(said), '\n')+1:]
			require.True(t, strings.HasPrefix(last, name+": the database schema is older"), "one clear sentence at the end: %s", last)
		})
	}
}

// A port that is taken is one clear sentence, exit 1.
func TestServicesSayWhichPortIsTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	taken := l.Addr().String()
	for _, variable := range []string{"WAYBILL_LISTEN", "WAYBILL_ADMIN_LISTEN"} {
		s := run(t, "ingest", append(genuine(t, "ingest"), variable+"="+taken)...)
		require.Equal(t, 1, s.Status(endsWithin))
		require.Contains(t, s.Said(), "cannot listen on "+taken+" ("+variable+"): address already in use")
	}
}

// Row 39: while the broker is away a good event is asked to come again, and
// nothing is answered 2xx that is not durable.
func TestBadInput39BrokerAway(t *testing.T) {
	t.Parallel()
	broker := embedded.KafkaOptions{Dir: t.TempDir(), Topics: events.Topics(events.Embedded)}
	k, err := embedded.StartKafka(t.Context(), broker)
	require.NoError(t, err)
	defer func() { k.Stop() }()

	const token = "0123456789abcdef0123456789abcdef"
	account := simulate.Twilio{PublicURL: "https://hooks.example.com", Account: "AC0123456789abcdef0123456789abcdef", Token: token}
	env := append(genuine(t, "ingest"), "WAYBILL_KAFKA_BROKERS="+k.Addr())
	values := map[string]string{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		values[name] = value
	}
	key, err := seal.ParseKey(values["WAYBILL_SECRET_KEY"])
	require.NoError(t, err)
	id := uuid.NewString()
	signer := events.ConfigSigner{Provider: "twilio", Name: account.Account, Tokens: []events.ConfigToken{{ID: id, Sealed: key.Seal([]byte(token), id)}}}
	rec, err := events.ConfigRecord(signer.Key(), &signer, time.Now())
	require.NoError(t, err)
	publish(t, k.Addr(), rec)

	s := run(t, "ingest", env...)
	client := simulate.NewClient("http://"+values["WAYBILL_LISTEN"], 1)
	defer client.Close()
	r := account.Status("SM0123456789abcdef0123456789abcdef", "+12025550101", person, "sent", "")
	becomes := func(want int) {
		t.Helper()
		require.Eventually(t, func() bool {
			got, err := client.Do(t.Context(), &r)
			return err == nil && got == want
		}, patience, 20*time.Millisecond, "it is not answered %d", want)
	}
	becomes(http.StatusNoContent)
	s.Await("/readyz", http.StatusOK)
	k.Stop()
	for range 3 {
		got, err := client.Do(t.Context(), &r)
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, got)
	}
	k, err = embedded.StartKafka(t.Context(), broker)
	require.NoError(t, err)
	becomes(http.StatusNoContent)
	require.Zero(t, s.Stop())
}

func publish(t *testing.T, addr string, rec events.Record) {
	t.Helper()
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{addr}}, nil, nil)
	require.NoError(t, err)
	require.NoError(t, client.Publish(t.Context(), rec))
	require.NoError(t, client.Close(t.Context()))
}
