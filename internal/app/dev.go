package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/embedded"
	"waybill/internal/events"
	"waybill/internal/ingest"
	"waybill/internal/postgres"
	"waybill/internal/retention"
	"waybill/internal/router"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/worker"
	"waybill/migrations"
)

// DevOptions describe everything in one process.
type DevOptions struct {
	DataDir     string       // kept between runs
	Listen      string       // public listener
	AdminListen string       // operators' listener
	ReadyFile   string       // where to say that all is ready; "" = nowhere
	Seed        bool         // make the two demo organisations
	Progress    func(string) // lines for a person while something takes long
	Config      DevConfig
	Log         *slog.Logger
}

// DevConfig is what everything-in-one reads from the environment. Listeners,
// broker and database are its own.
type DevConfig struct {
	SecretKey config.Secret `env:"WAYBILL_SECRET_KEY" doc:"seals provider secrets; dev makes and keeps one when it is not set"`
	PublicURL []string      `env:"WAYBILL_PUBLIC_URL" doc:"base URLs that signatures are checked against; dev takes its own address when it is not set"`
	SNS       ingest.SNSConfig
	Router    router.Config
	Retention retention.Config
}

// The private database and its roles.
const (
	devDatabase  = "waybill"
	ownerRole    = "waybill_owner"
	routerRole   = "waybill_router"
	workerRole   = "waybill_worker"
	operatorRole = "waybill_operator"
	readonlyRole = "waybill_readonly"
)

// Dev runs ingest, router and workers in one process over a private PostgreSQL
// and an embedded broker, the same code as apart, until ctx is done. ready is
// called once when all of it does its work and the ready file says so; its error
// ends the process.
func Dev(ctx context.Context, o DevOptions, ready func(context.Context, Ready) error) error {
	d := &dev{process: newProcess(o.Log, ingest.HealthServing, router.HealthConsuming, worker.HealthConsuming), o: o}
	d.flags = map[string]string{"WAYBILL_LISTEN": "--listen", "WAYBILL_ADMIN_LISTEN": "--admin-listen"}
	err := d.begin(ctx)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // what was cut off complains in words of its own
	}
	if err == nil && o.ReadyFile != "" {
		err = writeReady(o.ReadyFile, d.ready)
	}
	if err == nil {
		err = ready(ctx, d.ready)
	}
	if err == nil {
		o.Log.Info("started", "http_url", d.ready.HTTPURL)
		err = d.wait(ctx)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // asked to stop while starting
	}
	return errors.Join(err, d.stop())
}

type dev struct {
	*process
	o     DevOptions
	pg    *embedded.Postgres
	key   string
	ready Ready
}

func (d *dev) begin(ctx context.Context) error {
	if err := d.claimFolder(); err != nil {
		return err
	}
	if err := d.startDatabase(ctx); err != nil {
		return err
	}
	d.o.Progress("starting the broker")
	broker, err := embedded.StartKafka(ctx, embedded.KafkaOptions{
		Dir: d.o.DataDir, Sync: true, Log: d.log, Topics: events.Topics(d.o.Config.Retention.Profile(events.Embedded)),
	})
	if err != nil {
		return err
	}
	d.onStop("broker", func(context.Context) error { broker.Stop(); return nil })
	d.ready.KafkaBrokers = broker.Addr()
	return d.startServices(ctx)
}

// claimFolder makes the data folder ours, so that no second process shares it.
func (d *dev) claimFolder() error {
	lock, err := embedded.Lock(d.o.DataDir)
	if err != nil {
		return err
	}
	d.onStop("folder lock", func(context.Context) error { return lock.Release() })
	if f := d.o.ReadyFile; f != "" { // whoever waits for it must not see the last run's
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the old ready file: %w", err)
		}
		d.onStop("ready file", func(context.Context) error { _ = os.Remove(f); return nil })
	}
	d.key = string(d.o.Config.SecretKey)
	if d.key == "" {
		if d.key, err = keptKey(filepath.Join(d.o.DataDir, "secret.key")); err != nil {
			return err
		}
	}
	d.ready.SecretKey = config.Secret(d.key)
	return d.pinCertificate()
}

// pinCertificate lets the demo's topics sign: where no certificates of SNS are
// pinned, one of our own is, which lies in the data folder with its key.
func (d *dev) pinCertificate() error {
	dir := &d.o.Config.SNS.CertDir
	if *dir == "" {
		*dir = filepath.Join(d.o.DataDir, "sns")
		if _, err := simulate.KeepCertificate(*dir); err != nil {
			return err
		}
	}
	d.ready.SNSCertDir = *dir
	return nil
}

// keptKey reads the folder's secret key, or makes it.
func keptKey(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := seal.NewKey()
		if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
			return "", fmt.Errorf("keeping the secret key: %w", err)
		}
		return key, nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the secret key: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

func (d *dev) startDatabase(ctx context.Context) error {
	d.o.Progress("starting PostgreSQL")
	pg, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Dir: d.o.DataDir, Log: d.log, Progress: d.o.Progress})
	if err != nil {
		return err
	}
	d.pg = pg
	d.onStop("postgresql", pg.Stop)
	go func() {
		<-pg.Done()
		d.fail(errors.New("PostgreSQL ended by itself: see postgres.log in the data folder"))
	}()
	if err := pg.CreateDatabase(ctx, devDatabase); err != nil {
		return err
	}
	if err := pg.CreateOwner(ctx, ownerRole, devDatabase); err != nil {
		return err
	}
	if err := pg.SetPassword(ctx, ownerRole, d.password(ownerRole)); err != nil {
		return err
	}
	if _, err := migrations.Up(ctx, d.url(ownerRole)); err != nil {
		return err
	}
	for _, role := range []string{routerRole, workerRole, operatorRole, readonlyRole} {
		if err := pg.SetPassword(ctx, role, d.password(role)); err != nil {
			return err
		}
	}
	d.ready.DatabaseURL = d.url(operatorRole)
	return nil
}

// password derives a role's password from the secret key, the first of several,
// so that it stays the same as long as the key does and is written down nowhere
// else.
func (d *dev) password(role string) string {
	first, _, _ := strings.Cut(d.key, ",")
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(first))
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("waybill role\x00" + role))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func (d *dev) url(role string) string { return d.pg.URL(role, d.password(role), devDatabase) }

func (d *dev) startServices(ctx context.Context) error {
	d.o.Progress("starting ingest, router and workers")
	admin, err := d.serveAdmin(d.o.AdminListen)
	if err != nil {
		return err
	}
	d.ready.AdminURL = "http://" + admin
	client, err := d.openBus(kafkabus.Config{Brokers: []string{d.ready.KafkaBrokers}})
	if err != nil {
		return err
	}
	routerDB, err := d.openDatabase(ctx, postgres.Config{URL: config.Secret(d.url(routerRole)), MaxConns: 8})
	if err != nil {
		return err
	}
	workerDB, err := d.openDatabase(ctx, postgres.Config{URL: config.Secret(d.url(workerRole)), MaxConns: 8})
	if err != nil {
		return err
	}
	d.startWorkers(d.o.Config.Retention, client, workerDB)
	if err := d.startRouter(d.o.Config.Router, client, routerDB); err != nil {
		return err
	}
	cfg, err := d.ingestConfig()
	if err != nil {
		return err
	}
	addr, signers, err := d.startIngest(cfg, client)
	if err != nil {
		return err
	}
	d.ready.HTTPURL = "http://" + reachable(addr)
	if d.o.Seed {
		if d.ready.Seed, err = plant(ctx, d.o.DataDir, d.ready); err != nil {
			return err
		}
	}
	return d.until(ctx, func() bool { return len(d.health.Problems()) == 0 && d.ready.Seed.known(signers) })
}

// ingestConfig fills what the environment leaves out: the key, and a public URL
// that is our own address.
func (d *dev) ingestConfig() (ingest.Config, error) {
	cfg := ingest.Config{}
	src := config.Source{"WAYBILL_LISTEN": d.o.Listen, "WAYBILL_SECRET_KEY": d.key, "WAYBILL_INGEST_DRAIN_DELAY": "0s"}
	src["WAYBILL_PUBLIC_URL"] = strings.Join(d.o.Config.PublicURL, ",")
	if len(d.o.Config.PublicURL) == 0 {
		addr, err := d.fixedPort(d.o.Listen)
		if err != nil {
			return cfg, err
		}
		src["WAYBILL_LISTEN"], src["WAYBILL_PUBLIC_URL"] = addr, "http://"+reachable(addr)
	}
	d.ready.PublicURL, _, _ = strings.Cut(src["WAYBILL_PUBLIC_URL"], ",")
	err := config.Load(&cfg, src)
	cfg.SNS = d.o.Config.SNS
	return cfg, err
}

// until waits until done holds, or a part has ended by itself.
func (d *dev) until(ctx context.Context, done func() bool) error {
	for !done() {
		select {
		case err := <-d.failed:
			return err
		default:
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
