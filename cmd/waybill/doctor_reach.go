package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/ingest"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/retention"
	"waybill/internal/seal"
	"waybill/migrations"
)

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
