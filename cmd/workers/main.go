// Command workers runs one of Waybill's three services. It reads its
// configuration from the environment; docs/config.md lists the variables.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"waybill/internal/app"
	"waybill/internal/config"
	"waybill/internal/nodump"
	"waybill/internal/obs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "workers:", err)
		os.Exit(1) //nolint:gocritic // nothing deferred matters any more
	}
}

func run(ctx context.Context) error {
	if err := nodump.Set(); err != nil {
		return err
	}
	var cfg app.WorkersConfig
	if err := config.Load(&cfg, config.Environ(os.Environ())); err != nil {
		return err
	}
	log := obs.NewLogger(os.Stderr, cfg.Obs.LogLevel)
	log.Info("configuration", "config", config.LogValue(&cfg))
	return app.Workers(ctx, cfg, log)
}
