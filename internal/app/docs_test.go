package app_test

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"waybill/internal/app"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/control"
	"waybill/internal/errorcode"
	"waybill/internal/ingest"
	"waybill/internal/messaging"
	"waybill/internal/obs"
	"waybill/internal/postgres"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/sns"
	"waybill/internal/provider/stripe"
	"waybill/internal/provider/twilio"
	"waybill/internal/retention"
	"waybill/internal/router"
	"waybill/internal/seal"
	"waybill/internal/testkit"
	"waybill/internal/worker"
)

// The tests in this file write the pages of docs/ that list what the code has
// (`make generate` runs them with -update), and fail when one is stale.

// page is a Markdown page.
type page struct{ strings.Builder }

func newPage(title string) *page {
	p := &page{}
	p.say("# %s", title)
	p.say("Written from the code by `make generate`; a test fails when it is stale.")
	return p
}

// say adds a paragraph.
func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n\n", args...) }

// table adds a table; the head's cells and the rows' are of one number.
func (p *page) table(head string, rows ...[]string) {
	columns := strings.Split(head, " | ")
	fmt.Fprintf(p, "| %s |\n|%s\n", head, strings.Repeat("---|", len(columns)))
	for _, cells := range rows {
		for _, c := range cells {
			fmt.Fprintf(p, "| %s ", strings.ReplaceAll(c, "|", `\|`))
		}
		p.WriteString("|\n")
	}
	p.WriteString("\n")
}

// save compares the page with docs/name.
func (p *page) save(t *testing.T, name string) {
	t.Helper()
	testkit.Golden(t, "../../../docs/"+name, []byte(strings.TrimRight(p.String(), "\n")+"\n"))
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func codes(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = code(s)
	}
	return strings.Join(quoted, ", ")
}

func TestDocsConfig(t *testing.T) {
	t.Parallel()
	p := newPage("Configuration")
	p.say("The environment is all that is read. Every problem is reported at once, and the effective values are logged at the start, " +
		"secrets as `***`. Durations are Go's (`8s`, `72h`); lists are separated by commas.")
	for _, process := range []struct {
		name, about string
		cfg         any
		more        []config.Field
	}{
		{"ingest", "`cmd/ingest` answers the providers. It has no database.", &app.IngestConfig{}, nil},
		{"router", "`cmd/router` finds the organisation. Its database role is `waybill_router`.", &app.RouterConfig{}, nil},
		{"workers", "`cmd/workers` applies events. Its database role is `waybill_worker`.", &app.WorkersConfig{}, nil},
		{
			"waybill dev, waybill demo", "Everything in one process; listeners, broker and database are its own. As an ordinary user " +
				"`dev` keeps its data below `XDG_STATE_HOME` (`~/.local/state`) unless `--data-dir` says otherwise. Without " +
				"`WAYBILL_SNS_CERT_DIR` it pins a certificate of its own, `sns` in the data folder, by which `simulate` signs: nothing is fetched from Amazon. `demo` always does.",
			&struct {
				Obs obs.Config
				Dev app.DevConfig
			}{}, nil,
		},
		{
			"waybill, its other verbs", "Each verb asks only for what it uses; `account add` needs the key, `simulate` and `doctor` use it, `simulate` signs as SNS by the pair in `WAYBILL_SNS_CERT_DIR`, and `doctor` reads what every process does. `migrate` takes the owner's role " +
				"`waybill_owner`, the others `waybill_operator`. A verb never opens more than two connections.",
			&struct {
				Postgres  postgres.Config
				Kafka     kafkabus.Config
				Retention retention.Config
			}{}, declared(t, "../../cmd/waybill"),
		},
	} {
		p.say("## %s", process.name)
		p.say("%s", process.about)
		must := required(process.cfg)
		rows := [][]string{}
		listed := map[string]bool{}
		for _, f := range append(config.Fields(process.cfg), process.more...) {
			if listed[f.Name] { // two rooms read it
				continue
			}
			listed[f.Name] = true
			value, meaning := code(f.Default), f.Doc
			if slices.Contains(must, f.Name) {
				value = "required"
			}
			if f.Type == "config.Secret" {
				meaning = "**secret**; " + meaning
			}
			rows = append(rows, []string{code(f.Name), value, meaning})
		}
		p.table("variable | default | meaning", rows...)
	}
	for _, f := range declared(t, "../..") {
		require.Contains(t, p.String(), code(f.Name), "a variable that no process on the page reads")
	}
	p.save(t, "config.md")
}

var mustBeSet = regexp.MustCompile(`(\w+): must be set`)

// required returns the variables without which cfg is refused.
func required(cfg any) []string {
	var names []string
	if err := config.Load(cfg, config.Source{}); err != nil {
		for _, m := range mustBeSet.FindAllStringSubmatch(err.Error(), -1) {
			names = append(names, m[1])
		}
	}
	return names
}

var taggedField = regexp.MustCompile("(\\S+)\\s+`(env:\"[^`]+)`")

// declared returns the variables in the product code below a folder, as the
// source has them: the command's own types can be imported by nobody.
func declared(t *testing.T, root string) []config.Field {
	t.Helper()
	var fields []config.Field
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range taggedField.FindAllStringSubmatch(string(source), -1) {
			tag := reflect.StructTag(m[2])
			fields = append(fields, config.Field{
				Name: tag.Get("env"), Default: tag.Get("envDefault"), Doc: tag.Get("doc"), Type: m[1],
			})
		}
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, fields)
	return fields
}

func TestDocsMetrics(t *testing.T) {
	t.Parallel()
	p := newPage("Metrics")
	p.say("On `/metrics` of the admin listener, with Go's and the process's own (`go_*`, `process_*`). Label values are from closed sets; " +
		"no organisation, id, number or address is one. Counters whose labels are known beforehand exist at zero from the start.")
	log := slog.New(slog.DiscardHandler)
	for _, room := range []struct {
		name     string
		register func(prometheus.Registerer) error
	}{
		{"ingest", func(reg prometheus.Registerer) error {
			return registerIngest(reg, log)
		}},
		{"router", func(reg prometheus.Registerer) error {
			router.New(router.Options{Registerer: reg, Parsers: app.Parsers()})
			control.New(control.Options{Registerer: reg})
			return nil
		}},
		{"workers", func(reg prometheus.Registerer) error {
			worker.New(worker.Options{
				Registerer: reg, Messages: &postgres.Messages{}, Calls: &postgres.Calls{}, Billing: &postgres.Billing{},
			})
			return nil
		}},
		{"Kafka, in every process", func(reg prometheus.Registerer) error {
			client, err := kafkabus.New(kafkabus.Config{Brokers: []string{"127.0.0.1:9092"}}, log, reg)
			if err != nil {
				return err
			}
			return client.Close(t.Context())
		}},
	} {
		inv := &inventory{Registry: prometheus.NewRegistry()}
		require.NoError(t, room.register(inv))
		p.say("## %s", room.name)
		inv.describe(t, p)
	}
	p.save(t, "metrics.md")
}

func registerIngest(reg prometheus.Registerer, log *slog.Logger) error {
	key, err := seal.ParseKey(seal.NewKey())
	if err != nil {
		return err
	}
	tw, err := twilio.New([]string{"https://hooks.example.com"})
	if err != nil {
		return err
	}
	var unused *kafkabus.Client
	_, err = ingest.New(ingest.Options{
		Providers: []provider.Verifier{tw, ses.New(sns.New(sns.Options{})), connect.New(sns.New(sns.Options{})), stripe.New(0)},
		Publisher: unused, Follower: unused, Key: key, Log: log, Registerer: reg,
	})
	return err
}

// inventory is a registry that remembers what was registered: one of its own
// shows no vector before its first child.
type inventory struct {
	*prometheus.Registry
	collectors []prometheus.Collector
}

func (i *inventory) Register(c prometheus.Collector) error {
	i.collectors = append(i.collectors, c)
	return i.Registry.Register(c)
}

func (i *inventory) MustRegister(list ...prometheus.Collector) {
	for _, c := range list {
		if err := i.Register(c); err != nil {
			panic(err)
		}
	}
}

// describe adds a table of every metric to p, and a list of the series that
// are there from the start.
func (i *inventory) describe(t *testing.T, p *page) {
	t.Helper()
	var rows [][]string
	zero, labels := i.series(t), i.labels(t)
	families, err := i.Gather()
	require.NoError(t, err)
	for _, f := range families {
		name := f.GetName()
		rows = append(rows, []string{code(name), strings.ToLower(f.GetType().String()), codes(labels[name]), f.GetHelp()})
	}
	p.table("metric | type | labels | meaning", rows...)
	if len(zero) > 0 {
		p.say("From the start:\n%s", strings.Join(zero, ""))
	}
}

// series lists the series that exist, those that differ in their last label
// alone on one line.
func (i *inventory) series(t *testing.T) []string {
	t.Helper()
	families, err := i.Gather()
	require.NoError(t, err)
	var out []string
	for _, f := range families {
		before := ""
		for _, m := range f.GetMetric() {
			pairs := m.GetLabel()
			if len(pairs) == 0 {
				continue
			}
			head := f.GetName()
			for _, l := range pairs[:len(pairs)-1] {
				head += fmt.Sprintf(" %s=%s", l.GetName(), l.GetValue())
			}
			last := pairs[len(pairs)-1]
			if head != before {
				out = append(out, fmt.Sprintf("\n- %s, %s: ", code(head), last.GetName()))
			} else {
				out = append(out, ", ")
			}
			out, before = append(out, last.GetValue()), head
		}
	}
	return out
}

var description = regexp.MustCompile(`^Desc{fqName: ("\w+"), .*constLabels: {}, variableLabels: {([^}]*)}}$`)

// labels returns every metric's labels in their order, and gives each vector a
// child, so that all are gathered.
func (i *inventory) labels(t *testing.T) map[string][]string {
	t.Helper()
	labels := map[string][]string{}
	for _, c := range i.collectors {
		ch := make(chan *prometheus.Desc, 1) // each of ours describes one metric
		c.Describe(ch)
		m := description.FindStringSubmatch((<-ch).String())
		require.NotNil(t, m)
		name, err := strconv.Unquote(m[1])
		require.NoError(t, err)
		if m[2] != "" {
			labels[name] = strings.Split(m[2], ",")
		}
		blank := make([]string, len(labels[name]))
		switch v := c.(type) {
		case *prometheus.CounterVec:
			v.WithLabelValues(blank...)
		case *prometheus.GaugeVec:
			v.WithLabelValues(blank...)
		case *prometheus.HistogramVec:
			v.WithLabelValues(blank...)
		}
	}
	return labels
}

func TestDocsStatuses(t *testing.T) {
	t.Parallel()
	p := newPage("Statuses")
	p.say("SMS, MMS and WhatsApp. Twilio's callbacks carry no clock, so the rank decides: of two reports of a message the one of the higher rank is the " +
		"better, whichever came first. `intended` is Waybill's own, for a message that no provider was asked to send yet.")
	p.say("```mermaid\n%s```", messaging.Diagram())
	var rows [][]string
	for _, s := range messaging.Statuses() {
		terminal := ""
		if s.Terminal {
			terminal = "yes"
		}
		rows = append(rows, []string{code(s.Name), string(s.Direction), strconv.Itoa(s.Rank), terminal, strconv.Itoa(s.Bit)})
	}
	p.table("status | direction | rank | terminal | bit of `reached`", rows...)
	p.say("Ranks may be renumbered, only their order matters. Bits are stored and stay. `reached` collects every status that was ever reported, also one " +
		"that came too late to change the status.")

	p.say("## Error codes")
	p.say("A code is kept as the provider gave it and belongs to one class. Of two codes with one status a code that says something is better " +
		"than one that does not, then the lower one; a better status clears the code of a worse one.")
	byClass := map[string][]string{}
	for n := range 100_000 { // Twilio's codes have five digits
		c := strconv.Itoa(n)
		byClass[messaging.ErrorClass(c)] = append(byClass[messaging.ErrorClass(c)], c)
	}
	byClass[errorcode.Unknown] = nil // all the others
	meanings := [][2]string{
		{errorcode.Unreachable, "the handset or the route to it, perhaps only now"},
		{errorcode.Blocked, "filtered, or not permitted to us"},
		{errorcode.OptedOut, "the person said STOP"},
		{errorcode.InvalidNumber, "no such number, or it takes no messages"},
		{errorcode.Carrier, "the network behind the provider failed"},
		{errorcode.Content, "this message cannot be sent as it is"},
		{errorcode.Rate, "too much, too fast"},
		{errorcode.Unknown, "the code says nothing (30008), or nothing that we know: every other code"},
	}
	rows = nil
	for _, m := range meanings {
		rows = append(rows, []string{code(m[0]), m[1], strings.Join(byClass[m[0]], ", ")})
		delete(byClass, m[0])
	}
	require.Empty(t, byClass, "a class without a meaning on the page")
	p.table("class | meaning | codes", rows...)
	sayEmails(t, p)
	sayCalls(t, p)
	sayStripe(p)
	p.save(t, "statuses.md")
}
