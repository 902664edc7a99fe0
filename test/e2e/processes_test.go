package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/embedded"
	"waybill/internal/events"
	"waybill/internal/seal"
	"waybill/internal/simulate"
)

// services are the single-purpose processes.
var services = []string{"ingest", "router", "workers"}

// built holds the commands, compiled by the first test that runs one.
var built struct {
	once sync.Once
	dir  string
	out  []byte
	err  error
}

func compile() {
	_, here, _, _ := runtime.Caller(0)
	if built.dir, built.err = os.MkdirTemp("", "waybill-e2e-bin-"); built.err != nil {
		return
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-o", built.dir, "./cmd/...")
	build.Dir = filepath.Join(filepath.Dir(here), "..", "..")
	built.out, built.err = build.CombinedOutput()
}

// service is one of the commands as a process of its own.
type service struct {
	t      *testing.T
	cmd    *exec.Cmd
	admin  string
	said   bytes.Buffer // standard output and error; complete once it has exited
	exited chan error
}

// run starts a command with nothing in its environment but these variables.
func run(t *testing.T, name string, env ...string) *service {
	t.Helper()
	built.once.Do(compile)
	require.NoError(t, built.err, string(built.out))
	s := &service{t: t, cmd: exec.Command(filepath.Join(built.dir, name)), exited: make(chan error, 1)}
	for _, e := range env {
		if addr, ok := strings.CutPrefix(e, "WAYBILL_ADMIN_LISTEN="); ok {
			s.admin = "http://" + addr
		}
	}
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = append([]string{}, env...), &s.said, &s.said
	require.NoError(t, s.cmd.Start())
	go func() { s.exited <- s.cmd.Wait() }()
	t.Cleanup(func() {
		if s.cmd != nil { // the test failed
			_ = s.cmd.Process.Kill()
			<-s.exited
			t.Logf("it said:\n%s", &s.said)
		}
	})
	return s
}

// status waits until the process ends and returns its exit status.
func (s *service) status() int {
	s.t.Helper()
	var err error
	select {
	case err = <-s.exited:
	case <-time.After(10 * time.Second):
		require.FailNow(s.t, "it does not end")
	}
	s.cmd = nil
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(s.t, err)
	return 0
}

// stop asks the process to end.
func (s *service) stop() int {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	return s.status()
}

// answer is what the admin listener says, 0 while it does not.
func (s *service) answer(path string) (status int, body string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.admin+path, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func (s *service) answers(path string, want int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { got, _ := s.answer(path); return got == want }, patience, 20*time.Millisecond, "%s is not %d", path, want)
}

// port returns an address that nobody listens on.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// genuine is an environment in which the service could work if there were a
// broker and a database.
func genuine(t *testing.T, name string) []string {
	t.Helper()
	env := []string{"WAYBILL_ADMIN_LISTEN=" + port(t), "WAYBILL_KAFKA_BROKERS=" + port(t)}
	if name == "ingest" {
		return append(env, "WAYBILL_LISTEN="+port(t), "WAYBILL_PUBLIC_URL=https://hooks.example.com", "WAYBILL_SECRET_KEY="+seal.NewKey(),
			"WAYBILL_INGEST_DRAIN_DELAY=0s", "WAYBILL_INGEST_REQUEST_TIMEOUT=1s")
	}
	return append(env, "WAYBILL_DATABASE_URL=postgres://waybill_router:hunter2@"+port(t)+"/waybill")
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
			require.Equal(t, 1, s.status())
			said := s.said.String()
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
			s.answers("/healthz", http.StatusOK)
			status, body := s.answer("/readyz")
			require.Equal(t, http.StatusServiceUnavailable, status, body)
			require.NotContains(t, body, "hunter2")
			require.Empty(t, s.exited, "it gave up")
			require.Zero(t, s.stop())
			require.NotContains(t, s.said.String(), "hunter2")
		})
	}
}

func TestServicesRefuseAnOldSchema(t *testing.T) {
	h := open(t) // not in parallel: others may stop its database
	empty := strings.Replace(h.ready.DatabaseURL, "/waybill?", "/postgres?", 1)
	require.NotEqual(t, h.ready.DatabaseURL, empty)
	for _, name := range services[1:] {
		t.Run(name, func(t *testing.T) {
			s := run(t, name, "WAYBILL_ADMIN_LISTEN="+port(t), "WAYBILL_KAFKA_BROKERS="+h.ready.KafkaBrokers, "WAYBILL_DATABASE_URL="+empty)
			require.Equal(t, 1, s.status())
			said := s.said.String()
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
		require.Equal(t, 1, s.status())
		require.Contains(t, s.said.String(), "cannot listen on "+taken+" ("+variable+"): address already in use")
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
	s.answers("/readyz", http.StatusOK)
	k.Stop()
	for range 3 {
		got, err := client.Do(t.Context(), &r)
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, got)
	}
	k, err = embedded.StartKafka(t.Context(), broker)
	require.NoError(t, err)
	becomes(http.StatusNoContent)
	require.Zero(t, s.stop())
}

func publish(t *testing.T, addr string, rec events.Record) {
	t.Helper()
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{addr}}, nil, nil)
	require.NoError(t, err)
	require.NoError(t, client.Publish(t.Context(), rec))
	require.NoError(t, client.Close(t.Context()))
}
