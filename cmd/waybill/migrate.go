package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"waybill/internal/config"
	"waybill/internal/postgres"
	"waybill/migrations"
)

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Apply every migration that is missing."`
	Status migrateStatusCmd `cmd:"" help:"Show which migrations are applied."`
}

type migrateUpCmd struct{}

// Help gives examples.
func (migrateUpCmd) Help() string {
	return `Needs the owner's role. Running it again, or twice at once, does no harm.

Example:

  WAYBILL_DATABASE_URL=postgres://waybill_owner:...@db/waybill waybill migrate up`
}

// Run applies migrations.
func (migrateUpCmd) Run(s *session) error {
	url, err := s.databaseURL()
	if err != nil {
		return err
	}
	steps, err := migrations.Up(s.ctx, url)
	if err != nil {
		return migrationError(err)
	}
	if steps == nil {
		steps = []migrations.Step{}
	}
	return s.print(steps, func(w io.Writer) {
		if len(steps) == 0 {
			fmt.Fprintln(w, "nothing to do, the schema is up to date")
		}
		printSteps(w, steps)
	})
}

type migrateStatusCmd struct{}

// Help gives examples.
func (migrateStatusCmd) Help() string {
	return `Exits with 1 when a migration is missing.

Example:

  waybill migrate status --json`
}

// Run shows the state of every migration.
func (migrateStatusCmd) Run(s *session) error {
	url, err := s.databaseURL()
	if err != nil {
		return err
	}
	steps, err := migrations.Status(s.ctx, url)
	if err != nil {
		return migrationError(err)
	}
	if err := s.print(steps, func(w io.Writer) { printSteps(w, steps) }); err != nil {
		return err
	}
	for _, step := range steps {
		if step.AppliedAt == nil {
			return errors.New("migrations are missing: run `waybill migrate up`")
		}
	}
	return nil
}

func (s *session) databaseURL() (string, error) {
	var cfg struct{ Postgres postgres.Config }
	if err := config.Load(&cfg, s.env); err != nil {
		return "", err
	}
	return string(cfg.Postgres.URL), nil
}

// migrationError adds what to do; the server's own words stay, they name the
// missing right.
func migrationError(err error) error {
	if strings.Contains(err.Error(), "42501") {
		return fmt.Errorf("%w: give WAYBILL_DATABASE_URL the owner of the database (waybill_owner)", err)
	}
	return err
}

func printSteps(w io.Writer, steps []migrations.Step) {
	for _, step := range steps {
		fmt.Fprintf(w, "%d\t%s\t%s\n", step.Version, step.Name, show(step.AppliedAt, "missing"))
	}
}
