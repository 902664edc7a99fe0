package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"waybill/internal/app"
	"waybill/internal/config"
	"waybill/internal/obs"
	"waybill/internal/operate"
)

type devCmd struct {
	DataDir     string `name:"data-dir" placeholder:"D" help:"Folder that keeps everything between runs; the default is in your home, as root /var/lib/waybill."`
	Listen      string `default:"127.0.0.1:8080" placeholder:"A" help:"Address for callbacks (${default}); port 0 takes a free one."`
	AdminListen string `name:"admin-listen" default:"127.0.0.1:8081" placeholder:"A" help:"Address for /metrics, /healthz and /readyz (${default})."`
	ReadyFile   string `name:"ready-file" placeholder:"F" help:"File that is written once all is ready: JSON with http_url, admin_url, kafka_brokers, database_url."`
	NoSeed      bool   `name:"no-seed" help:"Do not make the two demo organisations."`
}

// Help gives examples.
func (devCmd) Help() string {
	return `Runs ingest, router and workers in one process, over a private PostgreSQL and an embedded Kafka-protocol broker on disk:
the same code as in production. Two demo organisations are made unless told not to; their secrets are in demo.json in the
data folder. Everything survives a restart, and a second process on the same folder is refused.

Reads WAYBILL_PUBLIC_URL (default: its own address), WAYBILL_SECRET_KEY (default: made and kept in the data folder),
WAYBILL_SNS_CERT_DIR (default: a certificate of its own in the data folder, so that nothing is fetched from Amazon),
WAYBILL_PARK_MAX_AGE, WAYBILL_LOG_LEVEL.

Examples:

  waybill dev
  waybill dev --data-dir ./data --listen 127.0.0.1:9090 --ready-file ready.json --no-seed`
}

// Run runs everything until it is interrupted.
func (c devCmd) Run(s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	dir := c.DataDir
	if dir == "" {
		var err error
		if dir, err = defaultDataDir(s.env); err != nil {
			return err
		}
	}
	opts, err := s.devOptions(dir, c.Listen, c.AdminListen)
	if err != nil {
		return err
	}
	opts.ReadyFile, opts.Seed = c.ReadyFile, !c.NoSeed
	return app.Dev(s.ctx, opts, func(_ context.Context, r app.Ready) error {
		if opts.Seed {
			s.progress("demo organisations (secrets in %s):\n%s", filepath.Join(dir, app.SeedFile), &r.Seed)
		}
		s.progress("callbacks  %[1]s/api/webhooks/sms/status (Twilio message status)\n           %[1]s/api/webhooks/sms (Twilio inbound)\n           %[1]s/api/webhooks/email (SES), /connect (Amazon Connect), /stripe", r.HTTPURL)
		s.progress("metrics    %s/metrics\nkafka      %s", r.AdminURL, r.KafkaBrokers)
		s.progress("for the other verbs, in another terminal:\n  export WAYBILL_DATABASE_URL='%s' WAYBILL_KAFKA_BROKERS=%s WAYBILL_SNS_CERT_DIR='%s'", r.DatabaseURL, r.KafkaBrokers, r.SNSCertDir)
		return nil
	})
}

// check refuses flags that cannot work before anything is started.
func (c devCmd) check() error {
	for _, f := range []struct{ flag, addr string }{{"--listen", c.Listen}, {"--admin-listen", c.AdminListen}} {
		if _, _, err := net.SplitHostPort(f.addr); err != nil {
			return &operate.UsageError{What: f.flag + ": want host:port, for example 127.0.0.1:8080"}
		}
	}
	if _, port, _ := net.SplitHostPort(c.Listen); c.Listen == c.AdminListen && port != "0" {
		return &operate.UsageError{What: "--listen and --admin-listen: want two addresses"}
	}
	return nil
}

// devOptions reads what everything-in-one takes from the environment.
func (s *session) devOptions(dir, listen, admin string) (app.DevOptions, error) {
	var cfg struct {
		Obs obs.Config
		Dev app.DevConfig
	}
	if err := config.Load(&cfg, s.env); err != nil {
		return app.DevOptions{}, err
	}
	return app.DevOptions{
		DataDir: dir, Listen: listen, AdminListen: admin, Config: cfg.Dev,
		Log: obs.NewLogger(s.errOut, cfg.Obs.LogLevel), Progress: func(line string) { s.progress("%s ...", line) },
	}, nil
}

// defaultDataDir is where a user's own data belongs. PostgreSQL does not run
// as root, and whom it runs as instead must be able to enter the folder.
func defaultDataDir(env config.Source) (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/waybill", nil
	}
	if dir := env["XDG_STATE_HOME"]; dir != "" {
		return filepath.Join(dir, "waybill"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "waybill"), nil
}

// quiet is the logger of a command that shows its own progress.
func quiet(s *session) *slog.Logger { return obs.NewLogger(s.errOut, slog.LevelError) }
