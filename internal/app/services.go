package app

import (
	"context"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"waybill/internal/ingest"
	"waybill/internal/router"
	"waybill/internal/worker"
)

// Ingest runs the ingest process until ctx is done.
func Ingest(ctx context.Context, cfg IngestConfig, log *slog.Logger) error {
	return run(ctx, log, ingest.HealthServing, func(_ context.Context, p *process) error {
		client, err := p.openBus(cfg.Kafka)
		if err != nil {
			return err
		}
		if _, err := p.serveAdmin(cfg.Admin.Listen); err != nil {
			return err
		}
		warnOfKeys(log, cfg.Ingest.SNS.CertDir)
		_, _, err = p.startIngest(cfg.Ingest, client)
		return err
	})
}

// warnOfKeys tells whoever pins a certificate whose key lies beside it, as
// waybill certificate makes them, what that means.
func warnOfKeys(log *slog.Logger, dir string) {
	if dir == "" {
		return
	}
	keys, err := fs.Glob(os.DirFS(dir), "*.key")
	if err == nil && len(keys) > 0 {
		log.Warn("a private key lies in WAYBILL_SNS_CERT_DIR, whoever reads it can sign as SNS: for trials alone", "keys", len(keys))
	}
}

// Router runs the router process until ctx is done.
func Router(ctx context.Context, cfg RouterConfig, log *slog.Logger) error {
	return run(ctx, log, router.HealthConsuming, func(ctx context.Context, p *process) error {
		limitMemory(routerMemory)
		if _, err := p.serveAdmin(cfg.Admin.Listen); err != nil {
			return err
		}
		db, err := p.openDatabase(ctx, cfg.Postgres)
		if err != nil {
			return err
		}
		client, err := p.openBus(cfg.Kafka)
		if err != nil {
			return err
		}
		return p.startRouter(cfg.Router, client, db)
	})
}

// routerMemory is how much memory a router asks Go to stay below, in bytes: a
// full cache and a busy moment together take less, and with it the collector
// does not wait until that has doubled.
const routerMemory = 136 << 20

// routerPartitionBytes is how much a router reads ahead of each of its partitions.
// It has 120 and more of them: after an outage all are behind, and with a megabyte
// of each it would stand at its limit and do little else than collect garbage.
const routerPartitionBytes = 256 << 10

// limitMemory sets the soft limit of a process unless GOMEMLIMIT did.
func limitMemory(bytes int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(bytes)
	}
}

// Workers runs the workers process until ctx is done.
func Workers(ctx context.Context, cfg WorkersConfig, log *slog.Logger) error {
	return run(ctx, log, worker.HealthConsuming, func(ctx context.Context, p *process) error {
		if _, err := p.serveAdmin(cfg.Admin.Listen); err != nil {
			return err
		}
		db, err := p.openDatabase(ctx, cfg.Postgres)
		if err != nil {
			return err
		}
		client, err := p.openBus(cfg.Kafka)
		if err != nil {
			return err
		}
		p.startWorkers(cfg.Retention, client, db)
		return nil
	})
}
