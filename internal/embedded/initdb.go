package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// majorOf returns the major version that wrote a data folder, 0 if there is none.
func majorOf(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the data folder's version: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("reading the data folder's version: %w", err)
	}
	return major, nil
}

// initialise makes PostgreSQL's data folder, whole or not at all. The locale is
// C, which every build on every system has; the encoding is UTF-8.
func (p *Postgres) initialise(ctx context.Context) error {
	fresh, err := p.freshFolder()
	if err != nil {
		return fmt.Errorf("setting up PostgreSQL: %w", err)
	}
	password := p.file("password")
	if err := errors.Join(os.WriteFile(password, []byte(rand.Text()+"\n"), 0o600), p.as.own(password)); err != nil {
		return fmt.Errorf("setting up PostgreSQL: %w", err)
	}
	out, err := command(ctx, p.as, p.bin.program("initdb"),
		"--pgdata="+fresh, "--username="+superuser, "--pwfile="+password, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--data-checksums", "--no-sync", "--no-instructions",
	).CombinedOutput()
	if err != nil {
		return fmt.Errorf("setting up PostgreSQL: %w\n%s", err, lastLines(string(out)))
	}
	if err := os.Rename(fresh, p.data); err != nil {
		return fmt.Errorf("setting up PostgreSQL: %w", err)
	}
	return nil
}

// freshFolder makes a folder for initdb under a name of its own, because the
// initdb of a start that was killed may still be at work in an older one.
func (p *Postgres) freshFolder() (string, error) {
	const prefix = "new-"
	old, err := filepath.Glob(p.file(prefix + "*"))
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
	}
	fresh, err := os.MkdirTemp(p.o.Dir, "postgres."+prefix)
	if err != nil {
		return "", err
	}
	return fresh, p.as.own(fresh)
}
