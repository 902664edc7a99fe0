package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"waybill/internal/app"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/ingest"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/retention"
	"waybill/internal/seal"
	"waybill/migrations"
)

type doctorCmd struct {
	Check   doctorCheckCmd   `cmd:"" default:"withargs" help:"Check the set-up."`
	Request doctorRequestCmd `cmd:"" help:"Explain why a request was refused."`
}

type doctorCheckCmd struct {
	profileFlag

	URL string `arg:"" optional:"" help:"A base URL that the providers were given: asked, too, without a signature."`
}

// doctorTimeout bounds each look.
const doctorTimeout = 15 * time.Second

// Help gives examples.
func (doctorCheckCmd) Help() string {
	return `Looks at the environment, the database (role, schema), the brokers, the topics (partitions, replicas, in-sync, retention),
the sealed secrets and the clocks, and says what to do next. What the environment does not name is a warning: each process needs
its own part alone. Exits with 1 when something failed. It changes nothing; a URL is sent one unsigned request, which ingest refuses
and counts.

Kafka does not tell its brokers' time, so their clocks are not seen.

Examples:

  waybill doctor
  waybill doctor https://hooks.example.com
  waybill doctor --profile embedded --json`
}

// Run checks the set-up.
func (c doctorCheckCmd) Run(s *session) error {
	if c.URL != "" && !strings.HasPrefix(c.URL, "http://") && !strings.HasPrefix(c.URL, "https://") {
		return &operate.UsageError{What: "want a base URL, for example https://hooks.example.com"}
	}
	d := &operate.Diagnosis{Checks: []operate.Check{}}
	s.checkConfiguration(d)
	s.checkDatabase(d)
	s.checkKafka(d, c.profileFlag)
	if c.URL != "" {
		s.checkURL(d, c.URL)
	}
	if err := s.print(d, func(w io.Writer) { printChecks(w, d) }); err != nil {
		return err
	}
	if !d.OK {
		return errShown
	}
	return nil
}

func printChecks(w io.Writer, d *operate.Diagnosis) {
	fmt.Fprintln(w, "CHECK\tSTATE\tFOUND")
	for _, c := range d.Checks {
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, c.State, c.Found)
		if c.Next != "" {
			fmt.Fprintf(w, "\t\t-> %s\n", c.Next)
		}
	}
}

// checkConfiguration looks at the variables that are set, each by the rules of
// who reads it.
func (s *session) checkConfiguration(d *operate.Diagnosis) {
	var wrong []string
	for _, cfg := range []any{&app.IngestConfig{}, &app.RouterConfig{}, &app.WorkersConfig{}} {
		for _, line := range problems(config.Load(cfg, s.env)) {
			name, _, _ := strings.Cut(line, ":")
			if _, set := s.env[name]; (set || !strings.HasPrefix(name, "WAYBILL_")) && !slices.Contains(wrong, line) {
				wrong = append(wrong, line)
			}
		}
	}
	if len(wrong) == 0 {
		d.Add("configuration", operate.CheckOK, "what is set can be used", "")
	}
	for _, line := range wrong {
		d.Add("configuration", operate.CheckFailed, line, "correct it; docs/config.md lists every variable")
	}
	if unread := s.unread(); len(unread) > 0 {
		d.Add("configuration", operate.CheckWarning, "no process reads "+strings.Join(unread, ", "), "look for a slip of the pen; docs/config.md lists every variable")
	}
	var unset []string
	for _, name := range []string{"WAYBILL_PUBLIC_URL", "WAYBILL_SECRET_KEY", "WAYBILL_KAFKA_BROKERS", "WAYBILL_DATABASE_URL"} {
		if s.env[name] == "" {
			unset = append(unset, name)
		}
	}
	if len(unset) > 0 {
		d.Add("configuration", operate.CheckWarning, "not set here: "+strings.Join(unset, ", "), "run it once with each process's environment; without them less can be looked at")
	}
	if slices.ContainsFunc(strings.Split(s.env["WAYBILL_PUBLIC_URL"], ","), func(u string) bool {
		return strings.HasPrefix(strings.TrimSpace(u), "http://")
	}) {
		d.Add("configuration", operate.CheckWarning, "WAYBILL_PUBLIC_URL has an http URL", "give providers https: whoever reads the line could play a signed request again")
	}
}

// problems splits the error of [config.Load].
func problems(err error) []string {
	if err == nil {
		return nil
	}
	_, list, _ := strings.Cut(err.Error(), "\n")
	var out []string
	for line := range strings.SplitSeq(list, "\n") {
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

// unread returns the variables of ours that nobody reads, sorted.
func (s *session) unread() []string {
	known := map[string]bool{}
	for _, cfg := range []any{&app.IngestConfig{}, &app.RouterConfig{}, &app.WorkersConfig{}, &app.DevConfig{}, &sealing{}} {
		for _, f := range config.Fields(cfg) {
			known[f.Name] = true
		}
	}
	var out []string
	for name := range s.env {
		if strings.HasPrefix(name, "WAYBILL_") && !strings.HasPrefix(name, "WAYBILL_TEST_") && !known[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (s *session) checkDatabase(d *operate.Diagnosis) {
	const next = "start it, and look at host, port, user and password in WAYBILL_DATABASE_URL"
	var cfg struct{ Postgres postgres.Config }
	if s.env["WAYBILL_DATABASE_URL"] == "" || config.Load(&cfg, s.env) != nil {
		d.Add("database", operate.CheckSkipped, "WAYBILL_DATABASE_URL is not set, or cannot be used", "ingest needs none; every other process does")
		return
	}
	cfg.Postgres.MaxConns = fewConnections
	ctx, cancel := context.WithTimeout(s.ctx, doctorTimeout)
	defer cancel()
	db, err := postgres.Open(ctx, cfg.Postgres)
	if err != nil {
		d.Add("database", operate.CheckFailed, "cannot be opened", next)
		return
	}
	defer db.Close()
	v, err := db.Vitals(ctx)
	if err != nil {
		d.Add("database", operate.CheckFailed, sentence(err), next)
		return
	}
	d.AddDatabase(&operate.Database{
		Role: v.Role, Superuser: v.Superuser, Server: v.Server, Schema: v.Schema, Want: migrations.Version,
	})
	d.AddClock("the database", v.Ahead, v.Unsure)
}

func (s *session) checkKafka(d *operate.Diagnosis, profile profileFlag) {
	var cfg struct {
		Kafka     kafkabus.Config
		Retention retention.Config
	}
	if err := config.Load(&cfg, s.env); err != nil {
		d.Add("broker", operate.CheckSkipped, "what is set for Kafka or retention cannot be used", "correct it as configuration says")
		return
	}
	var away []string
	for _, b := range cfg.Kafka.Brokers {
		if s.dial([]string{b}) != nil {
			away = append(away, b)
		}
	}
	switch {
	case len(away) == len(cfg.Kafka.Brokers):
		d.Add("broker", operate.CheckFailed, "cannot reach Kafka at "+strings.Join(away, ", "), "start it, and look at WAYBILL_KAFKA_BROKERS")
		return
	case len(away) > 0:
		d.Add("broker", operate.CheckWarning, "cannot reach "+strings.Join(away, ", "), "start it again, or take it out of WAYBILL_KAFKA_BROKERS")
	default:
		d.Add("broker", operate.CheckOK, fmt.Sprintf("%d of %d addresses answer", len(cfg.Kafka.Brokers), len(cfg.Kafka.Brokers)), "")
	}
	specs, err := profile.specs(s)
	if err != nil {
		d.Add("topics", operate.CheckSkipped, "what is set for retention cannot be used", "correct it as configuration says")
		return
	}
	err = s.withKafka(func(client *kafkabus.Client) error {
		ctx, cancel := context.WithTimeout(s.ctx, doctorTimeout)
		defer cancel()
		problems, err := client.CheckTopics(ctx, specs)
		if err != nil {
			return err
		}
		d.AddTopics(len(specs), problems)
		if slices.ContainsFunc(d.Checks, func(c operate.Check) bool { return c.Name == "topics" && c.State == operate.CheckFailed }) {
			return nil // who may sign stands in one of them
		}
		snapshot, err := s.signers(ctx, client)
		if err == nil && snapshot != nil {
			stats := snapshot.Stats()
			d.AddSigners(stats.Signers, stats.Unusable)
		}
		return err
	})
	if err != nil {
		d.Add("broker", operate.CheckFailed, sentence(err), "look at WAYBILL_KAFKA_TLS, WAYBILL_KAFKA_SASL_MECHANISM, the login and its rights")
	}
}

// signers reads who may sign as ingest does, nil without a key.
func (s *session) signers(ctx context.Context, client *kafkabus.Client) (*ingest.Snapshot, error) {
	key, err := seal.ParseKey(s.env["WAYBILL_SECRET_KEY"])
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // configuration has said it
	}
	snapshot := ingest.NewSnapshot(key, slog.New(slog.DiscardHandler), time.Now)
	if err := snapshot.Load(ctx, client); err != nil {
		return nil, err
	}
	return snapshot, nil
}

// checkURL sends what must be refused.
func (s *session) checkURL(d *operate.Diagnosis, base string) {
	ctx, cancel := context.WithTimeout(s.ctx, doctorTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(base, "/")+"/api/webhooks/stripe", strings.NewReader("{}"))
	if err != nil {
		d.Add("url", operate.CheckFailed, "not a URL", "give one such as https://hooks.example.com")
		return
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		d.Add("url", operate.CheckFailed, "no answer: "+cause(err), "look at DNS, TLS and what stands before ingest")
		return
	}
	defer resp.Body.Close()
	switch found := fmt.Sprintf("an unsigned request is answered %d", resp.StatusCode); {
	case resp.StatusCode == http.StatusUnauthorized:
		d.Add("url", operate.CheckOK, found+", as it should be", "")
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		d.Add("url", operate.CheckFailed, found, "give providers the URL behind the redirect: they sign the one that they call, and a redirected POST loses its form")
	case resp.StatusCode == http.StatusServiceUnavailable:
		d.Add("url", operate.CheckFailed, found, "look whether ingest runs and reaches Kafka")
	default:
		d.Add("url", operate.CheckFailed, found+", should be 401", "this is not ingest, or what stands before it changes the path or the answer")
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		d.AddClock("the URL", time.Until(at.Add(500*time.Millisecond)), 500*time.Millisecond)
	}
}

// cause returns what went wrong without the URL that was asked.
func cause(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}
