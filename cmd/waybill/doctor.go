package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"waybill/internal/app"
	"waybill/internal/config"
	"waybill/internal/operate"
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
