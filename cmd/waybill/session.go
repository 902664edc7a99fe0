package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/obs"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/seal"
)

// session is what a verb works with.
type session struct {
	ctx         context.Context //nolint:containedctx // one command, one context
	env         config.Source
	in          io.Reader
	out, errOut io.Writer
	json        bool
}

// print shows a result: v as JSON, or what table writes, cells apart by tabs.
func (s *session) print(v any, table func(w io.Writer)) error {
	if s.json {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("writing JSON: %w", err)
		}
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	table(w)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// progress says on standard error what takes time.
func (s *session) progress(format string, args ...any) {
	fmt.Fprintf(s.errOut, format+"\n", args...)
}

// fewConnections are enough for a command.
const fewConnections = 2

// database opens the database and refuses one whose schema is too old.
func (s *session) database() (*postgres.DB, error) {
	var cfg struct{ Postgres postgres.Config }
	if err := config.Load(&cfg, s.env); err != nil {
		return nil, err
	}
	cfg.Postgres.MaxConns = fewConnections
	db, err := postgres.Open(s.ctx, cfg.Postgres)
	if err != nil {
		return nil, err
	}
	if err := db.Check(s.ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// withDatabase runs fn with the database.
func (s *session) withDatabase(fn func(*postgres.DB) error) error {
	db, err := s.database()
	if err != nil {
		return err
	}
	defer db.Close()
	return fn(db)
}

// onboard runs fn with what enters tenants. The key is read only when secrets
// are to be sealed.
func (s *session) onboard(needKey bool, fn func(*operate.Onboard) error) error {
	var key *seal.Key
	if needKey {
		var cfg sealing
		if err := config.Load(&cfg, s.env); err != nil {
			return err
		}
		key, _ = seal.ParseKey(string(cfg.SecretKey)) // was validated
	}
	return s.withDatabase(func(db *postgres.DB) error {
		return fn(&operate.Onboard{Tenants: postgres.NewTenants(db), Key: key, Now: time.Now})
	})
}

// sealing is the key under which secrets rest.
type sealing struct {
	SecretKey config.Secret `env:"WAYBILL_SECRET_KEY" doc:"seals provider secrets: 32 bytes in base64, the same for every process; of several with commas the first seals and all open"`
}

// Validate reports what cannot work.
func (c *sealing) Validate() error {
	if c.SecretKey == "" {
		return errors.New("WAYBILL_SECRET_KEY: must be set to the key that ingest uses; that of `waybill dev` lies in its data folder: $(cat DATA-DIR/secret.key)")
	}
	if _, err := seal.ParseKey(string(c.SecretKey)); err != nil {
		return fmt.Errorf("WAYBILL_SECRET_KEY: %w", err)
	}
	return nil
}

// Bounds of what a command waits for Kafka.
const (
	dialTimeout  = 3 * time.Second
	flushTimeout = 5 * time.Second
)

// withKafka runs fn with a client of the cluster. It fails at once when no
// broker can be reached, where a service would wait.
func (s *session) withKafka(fn func(*kafkabus.Client) error) error {
	var cfg struct{ Kafka kafkabus.Config }
	if err := config.Load(&cfg, s.env); err != nil {
		return err
	}
	if err := s.dial(cfg.Kafka.Brokers); err != nil {
		return err
	}
	cfg.Kafka.Topics = events.TopicNames()
	client, err := kafkabus.New(cfg.Kafka, obs.NewLogger(s.errOut, slog.LevelError), nil)
	if err != nil {
		return err
	}
	err = fn(client)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), flushTimeout)
	defer cancel()
	return errors.Join(err, client.Close(ctx))
}

// dial returns nil if one of the brokers can be reached.
func (s *session) dial(brokers []string) error {
	ctx, cancel := context.WithTimeout(s.ctx, dialTimeout)
	defer cancel()
	for _, b := range brokers {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", b)
		if err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("cannot reach Kafka at %s: is it running and WAYBILL_KAFKA_BROKERS right?", strings.Join(brokers, ", "))
}

// secretFile reads a secret from a file, "-" being standard input.
func (s *session) secretFile(flag, path string) ([]byte, error) {
	var b []byte
	var err error
	if path == "-" {
		b, err = io.ReadAll(io.LimitReader(s.in, maxSecret+1))
	} else {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", flag, err)
	}
	if b = bytes.TrimSpace(b); len(b) == 0 {
		return nil, fmt.Errorf("%s is empty: an empty secret would verify anything, so it is refused", flag)
	}
	if len(b) > maxSecret {
		return nil, fmt.Errorf("%s is longer than %d bytes: that is no secret", flag, maxSecret)
	}
	return b, nil
}

// maxSecret is the most bytes of a secret.
const maxSecret = 4096
