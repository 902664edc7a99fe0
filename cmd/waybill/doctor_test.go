package main_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/ingest"
	"waybill/internal/operate"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/sns"
	"waybill/internal/provider/stripe"
	"waybill/internal/provider/twilio"
	"waybill/internal/seal"
	"waybill/internal/testkit"
	"waybill/migrations"
)

// checkUp runs doctor and returns its checks' states by name, the worst of each.
func (s *shell) checkUp(status int, args ...string) map[string]string {
	s.t.Helper()
	var d operate.Diagnosis
	s.json(&d, status, append([]string{"doctor"}, args...)...)
	require.Equal(s.t, status == 0, d.OK)
	rank := map[string]int{operate.CheckOK: 1, operate.CheckSkipped: 2, operate.CheckWarning: 3, operate.CheckFailed: 4}
	out := map[string]string{}
	for _, c := range d.Checks {
		require.Equal(s.t, c.State != operate.CheckOK, c.Next != "", "%s %s: what to do next, if and only if there is something to do", c.Name, c.State)
		if rank[c.State] > rank[out[c.Name]] {
			out[c.Name] = c.State
		}
	}
	return out
}

// newClinic returns a shell whose set-up is sound, and a signer of its own.
func newClinic(t *testing.T) *shell {
	t.Helper()
	s := newShell(t)
	s.env["WAYBILL_KAFKA_BROKERS"] = testkit.Kafka(t)
	s.env["WAYBILL_PUBLIC_URL"] = "https://hooks.example.com"
	s.register(s.env["WAYBILL_SECRET_KEY"], "twilio", "AC00000000000000000000000000000001", "token-1", "the auth token of the first account")
	return s
}

// register publishes a signer as the router does.
func (s *shell) register(key, party, name, id, secret string) {
	s.t.Helper()
	s.registerAs(key, events.ConfigSigner{Provider: party, Name: name}, "", id, secret)
}

// registerAs is register for whatever else a signer has.
func (s *shell) registerAs(key string, c events.ConfigSigner, algorithm, id, secret string) {
	s.t.Helper()
	k, err := seal.ParseKey(key)
	require.NoError(s.t, err)
	c.Tokens = []events.ConfigToken{{ID: id, Algorithm: algorithm, Sealed: k.Seal([]byte(secret), id)}}
	record, err := events.ConfigRecord(c.Key(), c, noon)
	require.NoError(s.t, err)
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{s.env["WAYBILL_KAFKA_BROKERS"]}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	require.NoError(s.t, err)
	require.NoError(s.t, client.Publish(s.t.Context(), record))
	require.NoError(s.t, client.Close(s.t.Context()))
}

// Versions differ with the server and grow with the schema.
var anyVersion = strings.NewReplacer(fmt.Sprintf("version %d", migrations.Version), "version <newest>")

var anyServer = regexp.MustCompile(`PostgreSQL .* answers`)

func timeless(out string) []byte {
	return anyServer.ReplaceAll([]byte(anyVersion.Replace(out)), []byte("PostgreSQL <version> answers"))
}

func TestDoctorFindsNothingWrongWithASoundSetUp(t *testing.T) {
	t.Parallel()
	s := newClinic(t)
	r := s.run("doctor", "--profile", "embedded")
	require.Zero(t, r.status, r.out+r.errOut)
	testkit.Golden(t, "doctor/sound.txt", timeless(r.out))
	testkit.Golden(t, "json/doctor.json", timeless(s.json(nil, 0, "doctor", "--profile", "embedded")))
	for name, state := range s.checkUp(0, "--profile", "embedded") {
		require.Equal(t, operate.CheckOK, state, name)
	}
}

func TestDoctorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	r := run(t, config.Source{
		"WAYBILL_DATABASE_URL": "postgres://waybill_operator:hunter2@127.0.0.1:1/waybill", "WAYBILL_KAFKA_BROKERS": "127.0.0.1:1",
		"WAYBILL_SECRET_KEY": "hunter2", "WAYBILL_PUBLIC_URL": "http://hooks.example.com", "WAYBILL_PARK_MAX_AGES": "1h",
	}, "", "doctor")
	require.Equal(t, 1, r.status)
	require.Empty(t, r.errOut)
	require.NotContains(t, r.out, "hunter2")
	testkit.Golden(t, "doctor/broken.txt", []byte(r.out))
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newClinic(t)
	embedded := []string{"--profile", "embedded"}

	t.Run("topics", func(t *testing.T) { //nolint:paralleltest // one set-up
		d := s.checkUp(1)
		require.Equal(t, operate.CheckFailed, d["topic "+events.TopicMessages], "three partitions are not 24")
		require.Equal(t, operate.CheckOK, d["database"])
	})
	with := func(name string, change config.Source, status int, check, state string, args ...string) {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // one set-up
			env := config.Source{}
			for k, v := range s.env {
				env[k] = v
			}
			for k, v := range change {
				env[k] = v
			}
			other := &shell{t: t, db: s.db, env: env}
			require.Equal(t, state, other.checkUp(status, append(embedded, args...)...)[check])
			require.NotContains(t, other.run(append([]string{"doctor"}, append(embedded, args...)...)...).out, "hunter2")
		})
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := free.Addr().String()
	require.NoError(t, free.Close())

	with("superuser", config.Source{"WAYBILL_DATABASE_URL": s.db.URL(testkit.Owner)}, 0, "role", operate.CheckWarning)
	superuser := &shell{t: t, db: s.db, env: config.Source{"WAYBILL_DATABASE_URL": s.db.URL(testkit.Owner), "WAYBILL_KAFKA_BROKERS": nobody}}
	require.Contains(t, superuser.run("doctor").out, "row-level security does not hold")
	with("a service's role", config.Source{"WAYBILL_DATABASE_URL": s.db.URL(testkit.Worker)}, 0, "role", operate.CheckOK)
	with("no database", config.Source{"WAYBILL_DATABASE_URL": "postgres://waybill_operator:hunter2@" + nobody + "/waybill"}, 1, "database", operate.CheckFailed)
	with("not a database", config.Source{"WAYBILL_DATABASE_URL": "hunter2"}, 1, "configuration", operate.CheckFailed)
	with("database not set", config.Source{"WAYBILL_DATABASE_URL": ""}, 1, "database", operate.CheckSkipped)
	with("no broker", config.Source{"WAYBILL_KAFKA_BROKERS": nobody}, 1, "broker", operate.CheckFailed)
	with("one broker of two", config.Source{"WAYBILL_KAFKA_BROKERS": s.env["WAYBILL_KAFKA_BROKERS"] + "," + nobody}, 0, "broker", operate.CheckWarning)
	with("another key", config.Source{"WAYBILL_SECRET_KEY": seal.NewKey()}, 1, "secrets", operate.CheckFailed)
	with("no key", config.Source{"WAYBILL_SECRET_KEY": "hunter2"}, 1, "configuration", operate.CheckFailed)
	with("a slip of the pen", config.Source{"WAYBILL_KAFKA_BROKER": "hunter2"}, 0, "configuration", operate.CheckWarning)
	with("retention", config.Source{"WAYBILL_RETENTION_REJECTED": "48h"}, 0, "topic "+events.TopicRejected, operate.CheckWarning)
	with("a process's own variable", config.Source{"WAYBILL_LISTEN": "hunter2"}, 1, "configuration", operate.CheckFailed)
	with("http", config.Source{"WAYBILL_PUBLIC_URL": "http://hooks.example.com"}, 0, "configuration", operate.CheckWarning)
	with("a URL where nobody is", nil, 1, "url", operate.CheckFailed, "http://"+nobody)
}

func TestDoctorAsksAURLWithoutASignature(t *testing.T) {
	t.Parallel()
	s := newClinic(t)
	answer, date := http.StatusUnauthorized, ""
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/base/api/webhooks/stripe" || r.Header.Get("Stripe-Signature") != "" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		if date != "" {
			w.Header().Set("Date", date)
		}
		w.WriteHeader(answer)
	}))
	defer front.Close()
	ask := func(status int) map[string]string {
		return s.checkUp(status, "--profile", "embedded", front.URL+"/base/")
	}
	require.Equal(t, operate.CheckOK, ask(0)["url"])
	require.Equal(t, operate.CheckOK, ask(0)["clock of the URL"])
	for _, answer = range []int{http.StatusOK, http.StatusMovedPermanently, http.StatusNotFound, http.StatusServiceUnavailable} {
		require.Equal(t, operate.CheckFailed, ask(1)["url"], answer)
	}
	answer, date = http.StatusUnauthorized, "Mon, 02 Jan 2006 15:04:05 GMT"
	require.Equal(t, operate.CheckFailed, ask(1)["clock of the URL"])
	require.Equal(t, 2, s.run("doctor", "hooks.example.com").status)
}

func TestDoctorSaysThatMigrationsAreMissing(t *testing.T) {
	t.Parallel()
	s := newClinic(t)
	_, err := s.db.Pool(t, testkit.Owner).Exec(t.Context(), "DELETE FROM goose_db_version WHERE version_id > 3")
	require.NoError(t, err)
	require.Equal(t, operate.CheckFailed, s.checkUp(1, "--profile", "embedded")["schema"])
}

// Whatever ingest may say, doctor has an answer to it.
func TestEveryReasonHasAdvice(t *testing.T) {
	t.Parallel()
	tw, err := twilio.New([]string{"https://hooks.example.com"})
	require.NoError(t, err)
	key, err := seal.ParseKey(seal.NewKey())
	require.NoError(t, err)
	var unused *kafkabus.Client
	reg := prometheus.NewRegistry()
	_, err = ingest.New(ingest.Options{
		Providers: []provider.Verifier{tw, ses.New(sns.New(sns.Options{})), connect.New(sns.New(sns.Options{})), stripe.New(0)}, Publisher: unused, Follower: unused, Key: key,
		Log: slog.New(slog.DiscardHandler), Registerer: reg,
	})
	require.NoError(t, err)
	families, err := reg.Gather()
	require.NoError(t, err)
	reasons := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "waybill_ingest_refused_total" && l.GetName() == "reason" {
					reasons++
					require.True(t, operate.KnownReason(l.GetValue()), l.GetValue())
				}
			}
		}
	}
	require.Greater(t, reasons, 30, "each is there from the start")
}
