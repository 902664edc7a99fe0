package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/privacy"
)

// whoseFlags say whose data is meant.
type whoseFlags struct {
	Org      string `required:"" placeholder:"UUID" help:"The organisation."`
	Customer string `placeholder:"UUID" help:"One customer of it, with every address that their messages and calls used."`
	Address  string `placeholder:"A" help:"One person of it without a customer id: a phone number or an e-mail address."`
}

func (f whoseFlags) whose() operate.Whose {
	return operate.Whose{Org: f.Org, Customer: f.Customer, Address: f.Address}
}

type exportCmd struct {
	whoseFlags

	Out string `short:"o" placeholder:"FILE" help:"File to write, whole or not at all, for you alone; standard output when left out."`
}

// Help gives examples.
func (exportCmd) Help() string {
	return `Writes JSON lines, {"kind": ..., "data": {...}}, as the database was at one moment: messages with their text, e-mails with
their recipients, calls with their recordings, consents, the timeline, held events with the request that they came in; of
an organisation also itself, its campaigns with their counters, accounts (without secrets) and senders. --json with --out
prints how many lines of each kind there are. The read-only role will do.

Examples:

  waybill export --org 7b2e0000-0000-4000-8000-000000000001 --out everything.jsonl
  waybill export --org 7b2e0000-0000-4000-8000-000000000001 --customer c0570000-0000-4000-8000-000000000001 | jq .kind`
}

// Run exports.
func (c exportCmd) Run(s *session) error {
	return s.withDatabase(func(db *postgres.DB) error {
		if c.Out == "" {
			lines, err := c.write(s, db, s.out)
			if err == nil {
				s.progress("%d lines", total(lines))
			}
			return err
		}
		lines, err := c.file(s, db)
		if err != nil {
			return err
		}
		return s.print(lines, func(w io.Writer) {
			for _, kind := range slices.Sorted(maps.Keys(lines)) {
				fmt.Fprintf(w, "%s\t%d\n", kind, lines[kind])
			}
		})
	})
}

func total(lines map[string]int64) (n int64) {
	for _, k := range lines {
		n += k
	}
	return n
}

// write exports to w and returns how many lines of each kind there are.
func (c exportCmd) write(s *session, db *postgres.DB, w io.Writer) (map[string]int64, error) {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	written, err := operate.Export(s.ctx, postgres.NewPrivacy(db), c.whose(), func(i privacy.Item) error {
		if err := lines.Encode(i); err != nil {
			return fmt.Errorf("writing the export: %w", err)
		}
		return nil
	}, func(what string, n int64) { s.progress("%s: %d so far", what, n) })
	if err != nil {
		return nil, err
	}
	if err := out.Flush(); err != nil {
		return nil, fmt.Errorf("writing the export: %w", err)
	}
	return written, nil
}

// file exports beside the file and puts it in its place when it is whole.
func (c exportCmd) file(s *session, db *postgres.DB) (lines map[string]int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(c.Out), "."+filepath.Base(c.Out)+".*") // for its owner alone
	if err != nil {
		return nil, fmt.Errorf("making the export's file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	lines, err = c.write(s, db, f)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), c.Out); err != nil {
		return nil, fmt.Errorf("putting the export in its place: %w", err)
	}
	return lines, nil
}
