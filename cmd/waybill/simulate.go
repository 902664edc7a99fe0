package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"waybill/internal/bus"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/simulate"
	"waybill/internal/tenants"
)

type simulateCmd struct {
	URL         string             `required:"" placeholder:"URL" help:"Where ingest listens, for example http://127.0.0.1:8080."`
	PublicURL   string             `placeholder:"URL" help:"The base URL that ingest checks signatures against; WAYBILL_PUBLIC_URL or else --url when left out."`
	Rate        int                `default:"100" help:"Requests a second."`
	Duration    time.Duration      `default:"30s" help:"How long new messages are begun; what is under way then is played to its end."`
	Orgs        int                `default:"10" help:"Organisations to make for this run."`
	Mix         map[string]float64 `default:"messages=60;emails=20;calls=12;contacts=7;billing=1" placeholder:"PART=SHARE;..." help:"What is begun, and how much of each (${default}). A part that is left out is not played."`
	SNSCertDir  string             `name:"sns-cert-dir" placeholder:"DIR" help:"Folder of the certificate that ingest pins, with its key; WAYBILL_SNS_CERT_DIR when left out."`
	Early       float64            `placeholder:"SHARE" help:"Share of what is sent whose callbacks come before its send record."`
	Duplicate   float64            `placeholder:"SHARE" help:"Share of callbacks and send records that come again."`
	Reorder     float64            `placeholder:"SHARE" help:"Share of messages, calls and contacts whose callbacks come in any order."`
	Forge       float64            `placeholder:"SHARE" help:"Forged requests for each genuine one."`
	CrossTenant float64            `placeholder:"SHARE" help:"Share of messages, calls and contacts that another organisation signs a callback for."`
	Burst       float64            `placeholder:"FACTOR" help:"One second of every ten has so many times the rate."`
	Seed        *uint64            `placeholder:"N" help:"Makes the same stories again; a random one when left out."`
	Connections int                `default:"128" help:"Most connections to ingest."`
	RetryFor    time.Duration      `default:"2m" help:"How long a callback that is not answered 2xx comes again, as a provider would repeat it."`
	Settle      time.Duration      `default:"2m" help:"How long to wait, at the end, until everything is applied."`
}

// Help gives examples.
func (simulateCmd) Help() string {
	return `Plays Twilio, Amazon SES, Amazon Connect, Stripe and campaign senders with correct signatures: makes organisations and accounts
of its own, sends the callbacks and send records of messages, e-mails, calls and contacts at a rate, in bad weather if asked to,
and repeats what is not answered 2xx. At the end it compares rows, recipients, recordings, counters, held events and status
topics with its own model of what was told. A callback that was never answered may have been taken or not: both are right.
Exits with 1 if anything differs. The first interrupt (Ctrl-C) or SIGTERM ends the load early, and what was played is compared
as ever; the second gives up.

It leaves its organisations behind, so use it on a Waybill that is there for it. Needs WAYBILL_DATABASE_URL (operator),
WAYBILL_KAFKA_BROKERS and WAYBILL_SECRET_KEY, the same as the services'. Only Amazon can sign as SNS, unless ingest pins another
certificate: waybill certificate makes one, and that of waybill dev lies in its data folder (DATA-DIR/sns). Without it
e-mails are left out, and contact events come by the API destination alone. To sign takes a millisecond of a processor for
each delivery of SNS: at high rates play less of it.

Examples:

  waybill simulate --url http://127.0.0.1:8080
  waybill simulate --url http://127.0.0.1:8080 --sns-cert-dir data/sns --mix 'emails=50;calls=30;contacts=20'
  waybill simulate --url http://127.0.0.1:8080 --mix 'messages=99;billing=1' --rate 2000 --duration 60s --early 0.1 --duplicate 0.2 \
      --reorder 0.3 --forge 0.05 --orgs 50
  waybill simulate --url http://127.0.0.1:8080 --cross-tenant 0.05 --burst 5 --seed 7 --json`
}

// Run simulates.
func (c simulateCmd) Run(s *session) error {
	o, err := c.options(s.env)
	if err != nil {
		return err
	}
	if !o.Cast.CanSign() {
		s.progress("e-mails and what else comes by SNS are left out: no certificate; see waybill certificate --help")
	}
	first := s.ctx
	ctx, stop := s.untilAgain()
	defer stop()
	s.ctx, o.End = ctx, first.Done() // an error that comes between the two signals is told
	var report simulate.Report
	err = s.withKafka(func(client *kafkabus.Client) error {
		return s.onboard(true, func(onboard *operate.Onboard) error {
			return s.withDatabase(func(db *postgres.DB) error {
				leave, err := enter(first, onboard, &o.Cast)
				switch {
				case err != nil && first.Err() != nil:
					return errors.New("interrupted before anything was played")
				case err != nil:
					return err
				}
				defer leave()
				o.Publisher, o.Log, o.Ledger = client, simulationLog{client}, postgres.NewInspect(db)
				o.Say = func(what string) { s.progress("%s", what) }
				o.Progress = func(p simulate.Progress) { s.progress("%s", progressLine(&p)) }
				report, err = simulate.Run(ctx, o)
				return err
			})
		})
	})
	if err != nil {
		return err
	}
	if err := s.print(report, func(w io.Writer) { printReport(w, &report) }); err != nil {
		return err
	}
	if report.Difference > 0 {
		for _, e := range report.Examples {
			s.progress("%s", e)
		}
		return fmt.Errorf("%d differences between what was told and what is on record", report.Difference)
	}
	return nil
}

// untilAgain returns a context that the first signal leaves alone and the second
// ends. The function ends the counting.
func (s *session) untilAgain() (again context.Context, stop func()) {
	again, cancel := context.WithCancel(context.WithoutCancel(s.ctx))
	signals, done := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for n := range 2 {
			select {
			case <-signals:
			case <-done:
				return
			}
			if n == 0 {
				s.progress("ending: what was played is compared first; interrupt once more to give up")
			}
		}
		cancel()
	}()
	return again, func() { signal.Stop(signals); close(done) }
}

// options checks the flags, all at once.
func (c simulateCmd) options(env config.Source) (simulate.Options, error) {
	o := simulate.Options{
		URL: strings.TrimSuffix(c.URL, "/"), Rate: c.Rate, Duration: c.Duration, Connections: c.Connections,
		Mix: simulate.Mix{}, RetryFor: c.RetryFor, Settle: c.Settle, Seed: rand.Uint64(), //nolint:gosec // it plays, it hides nothing
		Weather: simulate.Weather{
			Early: c.Early, Duplicate: c.Duplicate, Reorder: c.Reorder, Forge: c.Forge, CrossTenant: c.CrossTenant, Burst: c.Burst,
		},
	}
	for part, share := range c.Mix {
		o.Mix[simulate.Part(part)] = share
	}
	if c.Seed != nil {
		o.Seed = *c.Seed
	}
	var wrong []string
	if !strings.HasPrefix(o.URL, "http://") && !strings.HasPrefix(o.URL, "https://") {
		wrong = append(wrong, "--url: want a base URL, for example http://127.0.0.1:8080")
	}
	if c.Orgs < 1 || c.Orgs > simulate.MaxOrgs {
		wrong = append(wrong, fmt.Sprintf("--orgs: want 1 to %d", simulate.MaxOrgs))
	}
	if c.Rate < 1 || c.Duration <= 0 || c.Connections < 1 {
		wrong = append(wrong, "--rate, --duration, --connections: want more than zero")
	}
	certificate, err := simulate.ReadCertificate(cmp.Or(c.SNSCertDir, env["WAYBILL_SNS_CERT_DIR"]))
	if missing := errors.Is(err, simulate.ErrNoCertificate); missing && c.SNSCertDir != "" {
		wrong = append(wrong, "--sns-cert-dir: "+err.Error()+"; make a pair with waybill certificate")
	} else if err != nil && !missing {
		return o, err
	}
	o.Mix = o.Mix.Playable(certificate != nil)
	if err := o.Mix.Validate(); err != nil {
		wrong = append(wrong, err.Error())
	}
	if err := o.Weather.Validate(); err != nil {
		wrong = append(wrong, strings.Split(err.Error(), "\n")...)
	}
	if len(wrong) > 0 {
		return o, &operate.UsageError{What: strings.Join(wrong, "; ")}
	}
	public, _, _ := strings.Cut(cmp.Or(c.PublicURL, env["WAYBILL_PUBLIC_URL"], o.URL), ",")
	o.Cast = simulate.NewCast(c.Orgs, public, certificate)
	return o, nil
}

// enter makes the cast known to Waybill. What can sign for every organisation
// is taken away again by the function that it returns.
func enter(ctx context.Context, o *operate.Onboard, cast *simulate.Cast) (leave func(), err error) {
	accounts := []operate.Account{{
		Provider: tenants.Stripe, Name: "simulate-" + cast.Run, Secrets: []operate.Secret{{Value: []byte(cast.Stripe.Secret)}},
	}}
	for i := range cast.Tenants {
		t := &cast.Tenants[i]
		if _, err := o.NewOrg(ctx, string(t.Org), t.Name, ""); err != nil {
			return nil, err
		}
		for _, sender := range []string{t.Number, t.WhatsApp, t.Mail.Identity} {
			if _, err := o.PlaceSender(ctx, operate.Sender{Value: sender, Org: string(t.Org)}); err != nil {
				return nil, err
			}
		}
		accounts = append(accounts, accountsOf(t)...)
	}
	added, err := o.SignUp(ctx, accounts...)
	if err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		_ = o.RemoveAccount(ctx, added[0].ID, "")
	}, nil
}

// accountsOf are the accounts that sign for a tenant.
func accountsOf(t *simulate.Tenant) []operate.Account {
	orgs := []string{string(t.Org)}
	return append([]operate.Account{
		{Provider: tenants.Twilio, Name: t.Account, Orgs: orgs, Secrets: []operate.Secret{{Value: []byte(t.Token)}}},
		{Provider: tenants.SNS, Purpose: string(events.SES), Name: t.Mail.ARN, Orgs: orgs},
		{Provider: tenants.Connect, Name: t.Centre.Instance, Orgs: orgs, Secrets: []operate.Secret{
			{Algorithm: tenants.AlgorithmAPIKey, Value: []byte(t.Centre.APIKey)},
			{Algorithm: tenants.AlgorithmFirehose, Value: []byte(t.Centre.FirehoseKey)},
		}},
	}, operate.ConnectTopic(t.Centre.ARN, t.Centre.Instance, string(t.Org))...)
}

// simulationLog is what a simulation asks of the broker.
type simulationLog struct{ *kafkabus.Client }

// Lag returns how many records router and workers have not consumed.
func (l simulationLog) Lag(ctx context.Context) (int64, error) {
	var n int64
	for group, topics := range map[string][]string{events.GroupRouter: events.RouterTopics, events.GroupWorkers: events.WorkerTopics} {
		for _, topic := range topics {
			all, err := l.Offsets(ctx, group, topic)
			if err != nil {
				return 0, err
			}
			n += bus.Lag(all)
		}
	}
	return n, nil
}

func progressLine(p *simulate.Progress) string {
	line := fmt.Sprintf("%4.0f s  accepted %d  waiting %d  retries %d  p50 %.1f ms  p99 %.1f ms  answers",
		p.Elapsed.Seconds(), p.Accepted, p.Waiting, p.Retries, p.Latency.P50, p.Latency.P99)
	for _, status := range slices.Sorted(maps.Keys(p.Answers)) {
		line += fmt.Sprintf(" %s:%d", status, p.Answers[status])
	}
	return line
}

func printReport(w io.Writer, r *simulate.Report) {
	fmt.Fprintf(w, "run %s, seed %d: %d organisations, %d messages, %d e-mails, %d calls, %d contacts, %d subscriptions\n",
		r.Run, r.Seed, r.Orgs, r.Messages, r.Emails, r.Calls, r.Contacts, r.Subscriptions)
	fmt.Fprintf(w, "%d callbacks accepted in %.0f s (%.0f a second), %d send records, %d retries, %d given up\n",
		r.Accepted, r.Seconds, r.Rate, r.Sends, r.Retries, r.GaveUp)
	fmt.Fprintf(w, "answers after p50 %.1f ms, p99 %.1f ms, at most %.0f ms; everything applied %.1f s after the last one\n",
		r.Latency.P50, r.Latency.P99, r.Latency.Max, r.SettledAfter)
	fmt.Fprintf(w, "this program took %.1f s of processor time, %.0f %% of one core\n\n", r.CPUSeconds, 100*r.CPUSeconds/r.Seconds)
	fmt.Fprintln(w, "CHECK\tCOMPARED\tDIFFERENT")
	for _, c := range r.Checks {
		fmt.Fprintf(w, "%s\t%d\t%d\n", c.What, c.Compared, c.Different)
	}
	fmt.Fprintf(w, "\ndifference %d\n", r.Difference)
}
