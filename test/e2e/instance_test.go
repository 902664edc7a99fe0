package e2e_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/internal/app"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/embedded"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/router"
	"waybill/internal/seal"
	"waybill/internal/simulate"
)

// instance is a whole Waybill in this process, and what its operators and
// providers reach it by.
type instance struct {
	once     sync.Once
	failure  error
	dir      string
	ready    app.Ready
	cleanups []func() error

	client  *simulate.Client
	admin   *http.Client
	kafka   *kafkabus.Client
	db      *postgres.DB
	sql     *pgxpool.Pool // the operator's
	inspect *postgres.Inspect
	onboard *operate.Onboard
}

// shared is started once, by the first test that needs it.
var shared instance

func (i *instance) onClose(fn func() error) { i.cleanups = append(i.cleanups, fn) }

func (i *instance) close() error {
	var err error
	for n := len(i.cleanups) - 1; n >= 0; n-- {
		err = errors.Join(err, i.cleanups[n]())
	}
	return err
}

func (i *instance) start() error {
	var err error
	if i.dir, err = embedded.MkdirTemp("waybill-e2e-"); err != nil {
		return err
	}
	i.onClose(func() error { return os.RemoveAll(i.dir) })
	options := app.DevOptions{
		DataDir: i.dir, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Seed: true,
		Progress: func(string) {}, Log: slog.New(slog.DiscardHandler),
		Config: app.DevConfig{Router: router.Config{ParkMaxAge: time.Hour, AdoptAfter: 15 * time.Minute, MaxParked: 1000, CacheBytes: 1 << 20}},
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan app.Ready, 1), make(chan error, 1)
	go func() {
		ended <- app.Dev(ctx, options, func(_ context.Context, r app.Ready) error { ready <- r; return nil })
	}()
	i.onClose(func() error { stop(); return <-ended })
	select {
	case i.ready = <-ready:
	case err := <-ended:
		ended <- err
		return err
	}
	return i.connect()
}

func (i *instance) connect() error {
	ctx := context.Background()
	i.client, i.admin = simulate.NewClient(i.ready.HTTPURL, 8), &http.Client{Transport: &http.Transport{}, Timeout: patience}
	i.onClose(func() error { i.client.Close(); i.admin.CloseIdleConnections(); return nil })
	var err error
	if i.kafka, err = kafkabus.New(kafkabus.Config{Brokers: []string{i.ready.KafkaBrokers}}, slog.New(slog.DiscardHandler), nil); err != nil {
		return err
	}
	i.onClose(func() error { return i.kafka.Close(ctx) })
	if i.db, err = postgres.Open(ctx, postgres.Config{URL: config.Secret(i.ready.DatabaseURL), MaxConns: 4}); err != nil {
		return err
	}
	i.onClose(func() error { i.db.Close(); return nil })
	if i.sql, err = pgxpool.New(ctx, i.ready.DatabaseURL); err != nil {
		return err
	}
	i.onClose(func() error { i.sql.Close(); return nil })
	key, err := seal.ParseKey(string(i.ready.SecretKey))
	if err != nil {
		return err
	}
	i.inspect = postgres.NewInspect(i.db)
	i.onboard = &operate.Onboard{Tenants: postgres.NewTenants(i.db), Key: key, Now: time.Now}
	return nil
}
