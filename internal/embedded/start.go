package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	startTimeout  = 30 * time.Second
	startAttempts = 3
	logLimit      = 16 << 20 // bytes; a longer log starts anew
)

// settings are the server's own. Commits wait for the disk: what Waybill
// acknowledges is durable here too. Errors are not logged, because their text
// can quote rows; the client that caused one sees it.
var settings = []string{
	"listen_addresses=127.0.0.1", "unix_socket_directories=",
	"shared_buffers=128MB", "max_connections=100", "jit=off",
	"fsync=on", "synchronous_commit=on", "full_page_writes=on",
	"logging_collector=off", "log_destination=stderr",
	"log_min_messages=log", "log_error_verbosity=terse", "log_statement=none",
	// A fresh database is empty when its first plans are made: statistics that
	// follow within seconds keep them from being made for empty tables.
	"autovacuum_naptime=5s",
	// Rows are found by their keys. Statistics of a hundred values a column cost
	// more than half a second a table, as often as a young one has grown.
	"default_statistics_target=10",
	"timezone=UTC", "log_timezone=UTC",
}

// fast come on top for tests.
var fast = []string{"fsync=off", "synchronous_commit=off", "full_page_writes=off"}

// start launches the server and waits until it answers. An early end is tried
// again: another program can take the port between our choice and its use, and
// the last children of a killed server need a moment to let go of its memory.
func (p *Postgres) start(ctx context.Context, recycled int) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	kept := keptPort{p.file("port")}
	for attempt := 1; ; attempt++ {
		port, err := kept.choose()
		if err != nil {
			return err
		}
		p.port = port
		if err = p.launch(ctx, recycled); err == nil {
			p.o.Log.Info("private postgresql started", "port", port, "major", p.bin.major, "dir", p.data)
			return kept.keep(port)
		}
		if attempt == startAttempts || !errors.Is(err, errEarlyEnd) {
			return fmt.Errorf("starting PostgreSQL: %w\n%s", err, p.logTail())
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(attempt) * 300 * time.Millisecond):
		}
	}
}

var errEarlyEnd = errors.New("it ended by itself")

func (p *Postgres) launch(ctx context.Context, recycled int) error {
	log, err := p.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	// Not bound to ctx, which ends with the start.
	cmd := command(context.Background(), p.as, p.bin.program("postgres"), p.arguments()...)
	cmd.Stdout, cmd.Stderr = log, log
	if !p.o.outlive {
		dieWithParent(cmd.SysProcAttr)
	}
	if recycled != 0 {
		// The old pid file names a process that is none of ours. PostgreSQL
		// overlooks it under this name, and still checks its shared memory.
		cmd.Env = append(cmd.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(recycled))
	}
	if p.server, err = startServer(cmd); err != nil {
		return err
	}
	if err := p.awaitReady(ctx); err != nil {
		return errors.Join(err, p.server.stop(ctx, p.o.Log))
	}
	return nil
}

func (p *Postgres) arguments() []string {
	args := []string{"-D", p.data, "-c", "port=" + strconv.Itoa(p.port)}
	all := settings
	if p.o.Fast {
		all = append(all[:len(all):len(all)], fast...)
	}
	for _, s := range all {
		args = append(args, "-c", s)
	}
	return args
}

func (p *Postgres) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond) // nothing signals that it listens
	defer tick.Stop()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.server.done:
			return errEarlyEnd
		case <-ctx.Done():
			return fmt.Errorf("it does not answer (%w): %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func (p *Postgres) openLog() (*os.File, error) {
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(p.file("log")); err == nil && info.Size() > logLimit {
		flags |= os.O_TRUNC
	}
	log, err := os.OpenFile(p.file("log"), flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening PostgreSQL's log: %w", err)
	}
	return log, nil
}

// logTail returns the last lines of the server's log, for the error of a start
// that failed.
func (p *Postgres) logTail() string {
	const most = 4096
	log, err := os.Open(p.file("log"))
	if err != nil {
		return "(no log)"
	}
	defer log.Close()
	if info, err := log.Stat(); err == nil && info.Size() > most {
		_, _ = log.Seek(-most, io.SeekEnd)
	}
	text, _ := io.ReadAll(log)
	return lastLines(string(text))
}

func lastLines(text string) string {
	const most = 8
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
