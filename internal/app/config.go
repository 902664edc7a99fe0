package app

import (
	"errors"
	"fmt"
	"net"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/ingest"
	"waybill/internal/obs"
	"waybill/internal/postgres"
	"waybill/internal/retention"
	"waybill/internal/router"
)

// IngestConfig is what the ingest process reads. It has no database.
type IngestConfig struct {
	Obs    obs.Config
	Admin  IngestAdmin
	Ingest ingest.Config
	Kafka  kafkabus.Config
}

// RouterConfig is what the router process reads.
type RouterConfig struct {
	Obs      obs.Config
	Admin    RouterAdmin
	Router   router.Config
	Kafka    kafkabus.Config
	Postgres postgres.Config
}

// WorkersConfig is what the workers process reads.
type WorkersConfig struct {
	Obs       obs.Config
	Admin     WorkersAdmin
	Kafka     kafkabus.Config
	Postgres  postgres.Config
	Retention retention.Config
}

// IngestAdmin is ingest's admin listener.
type IngestAdmin struct {
	Listen string `env:"WAYBILL_ADMIN_LISTEN" envDefault:"127.0.0.1:8081" doc:"address for /metrics, /healthz and /readyz; never the public one"`
}

// RouterAdmin is the router's admin listener.
type RouterAdmin struct {
	Listen string `env:"WAYBILL_ADMIN_LISTEN" envDefault:"127.0.0.1:8082" doc:"address for /metrics, /healthz and /readyz; never the public one"`
}

// WorkersAdmin is the workers' admin listener.
type WorkersAdmin struct {
	Listen string `env:"WAYBILL_ADMIN_LISTEN" envDefault:"127.0.0.1:8083" doc:"address for /metrics, /healthz and /readyz; never the public one"`
}

// Validate reports what cannot work.
func (a *IngestAdmin) Validate() error { return checkAdmin(a.Listen) }

// Validate reports what cannot work.
func (a *RouterAdmin) Validate() error { return checkAdmin(a.Listen) }

// Validate reports what cannot work.
func (a *WorkersAdmin) Validate() error { return checkAdmin(a.Listen) }

func checkAdmin(addr string) error {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return errors.New("WAYBILL_ADMIN_LISTEN: must be host:port, for example 127.0.0.1:8081")
	}
	return nil
}

// Validate refuses an admin listener on the public port.
func (c *IngestConfig) Validate() error {
	if c.Admin.Listen == c.Ingest.Listen {
		return fmt.Errorf("WAYBILL_ADMIN_LISTEN: must differ from WAYBILL_LISTEN")
	}
	return nil
}
