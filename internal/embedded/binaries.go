package embedded

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
)

// minMajor is the oldest PostgreSQL that has what the schema uses.
const minMajor = 15

// binaries is a folder with PostgreSQL's programs.
type binaries struct {
	dir   string
	major int
}

func (b binaries) program(name string) string { return filepath.Join(b.dir, name) }

// installed lists where packages put PostgreSQL; each is a glob of bin folders.
var installed = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
}

// findBinaries returns the programs to use: those that the options force, else
// local ones, else downloaded ones. A data folder made by some major version
// (major, 0 for none yet) can be opened by that version only.
func findBinaries(ctx context.Context, o PostgresOptions, as *account, major int) (binaries, error) {
	if o.BinDir != "" {
		b, err := probe(ctx, o.BinDir, as)
		if err != nil || !b.fits(major) {
			return binaries{}, problemf(ErrNoPostgres, "%s holds no PostgreSQL %s that can be run: name another folder",
				o.BinDir, wanted(major))
		}
		return b, nil
	}
	if !o.Download {
		for _, b := range local(ctx, as) {
			if b.fits(major) {
				return b, nil
			}
		}
	}
	if err := ctx.Err(); err != nil { // then nothing was found because nothing could be run
		return binaries{}, fmt.Errorf("looking for PostgreSQL: %w", err)
	}
	if major != 0 && major != downloadMajor {
		return binaries{}, problemf(ErrNoPostgres, "the data in %s was written by PostgreSQL %d, which is no longer on this machine: install it or choose another folder",
			o.Dir, major)
	}
	b, err := download(ctx, o, as)
	if err != nil && ctx.Err() != nil {
		return binaries{}, err
	}
	if err != nil {
		return binaries{}, problemf(ErrNoPostgres, "there is no PostgreSQL %s on this machine and downloading one failed (%v): install PostgreSQL or let this machine reach %s",
			wanted(major), err, o.Repository)
	}
	return b, nil
}

func (b binaries) fits(major int) bool {
	return b.major >= minMajor && (major == 0 || b.major == major)
}

func wanted(major int) string {
	if major == 0 {
		return fmt.Sprintf("%d or later", minMajor)
	}
	return fmt.Sprint(major)
}

// local returns the PostgreSQLs of this machine: PATH's first, then the newest.
func local(ctx context.Context, as *account) []binaries {
	var found []binaries
	for _, glob := range installed {
		dirs, _ := filepath.Glob(glob) // the patterns are constants and well-formed
		for _, dir := range dirs {
			if b, err := probe(ctx, dir, as); err == nil {
				found = append(found, b)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b binaries) int { return cmp.Compare(b.major, a.major) })
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil { // the other programs lie beside the real one
			if b, err := probe(ctx, filepath.Dir(path), as); err == nil {
				found = append([]binaries{b}, found...)
			}
		}
	}
	return found
}

// probe asks the folder's postgres for its version, as the account, which also
// shows that the account can run it.
func probe(ctx context.Context, dir string, as *account) (binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, err
	}
	b := binaries{dir: dir}
	if _, err := os.Stat(b.program("initdb")); err != nil {
		return binaries{}, err
	}
	out, err := command(ctx, as, b.program("postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("running %s: %w", b.program("postgres"), err)
	}
	if _, err := fmt.Sscanf(string(out), "postgres (PostgreSQL) %d", &b.major); err != nil {
		return binaries{}, fmt.Errorf("reading the version of %s: %w", b.program("postgres"), err)
	}
	return b, nil
}

// command prepares one of PostgreSQL's programs: as the account, in a folder
// that every user can enter, with a language that does not depend on ours, and
// in a session of its own so that a Ctrl-C at our terminal is ours alone.
func command(ctx context.Context, as *account, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = append(cmd.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: as.credential()}
	return cmd
}
