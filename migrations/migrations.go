// Package migrations holds the schema as numbered, append-only steps and runs
// them. Old code must run on a newer schema, so a step only ever adds.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver behind goose's database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var files embed.FS

// Version is the newest step: the least that this program's code runs on.
const Version = 21

// Step is one migration and when it was applied, if it was.
type Step struct {
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	AppliedAt *time.Time `json:"applied_at"`
}

// Up applies what is missing, as the owner, and returns the steps that it
// applied. Two of them at once wait for each other.
func Up(ctx context.Context, databaseURL string) ([]Step, error) {
	var done []Step
	err := with(databaseURL, func(p *goose.Provider) error {
		results, err := p.Up(ctx)
		for _, r := range results {
			if r.Error == nil {
				now := time.Now().UTC()
				done = append(done, Step{r.Source.Version, r.Source.Path, &now})
			}
		}
		return err
	})
	if err != nil {
		return done, fmt.Errorf("migrating the database: %w", err)
	}
	return done, nil
}

// Status returns every step.
func Status(ctx context.Context, databaseURL string) ([]Step, error) {
	var steps []Step
	err := with(databaseURL, func(p *goose.Provider) error {
		all, err := p.Status(ctx)
		for _, s := range all {
			step := Step{Version: s.Source.Version, Name: s.Source.Path}
			if s.State == goose.StateApplied {
				at := s.AppliedAt.UTC()
				step.AppliedAt = &at
			}
			steps = append(steps, step)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the schema's version: %w", err)
	}
	return steps, nil
}

func with(databaseURL string, fn func(*goose.Provider) error) error {
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	return fn(p)
}
