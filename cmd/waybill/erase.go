package main

import (
	"fmt"
	"io"
	"maps"
	"os/user"
	"slices"
	"time"

	"waybill/internal/config"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/privacy"
	"waybill/internal/retention"
)

type eraseCmd struct {
	whoseFlags

	DryRun bool `name:"dry-run" help:"Only say how many rows it would be."`
	Yes    bool `help:"Do it. This cannot be undone."`
}

// Help gives examples.
func (eraseCmd) Help() string {
	return `Of a person, messages, e-mails and calls stay with their status, campaign and version, so that every number is what it was;
addresses, texts, media, places of recordings and the link to the customer go, and nothing that comes later brings them
back. An opt-out stays in force as a pseudonym. Held events that name the person are given up. Of an organisation every
row goes; nobody signs for it any more, its senders are free, its id remains.

An erasure that was interrupted goes on when it is run again. Who asked for what, when, and how many rows it was stays in
the table erasures. Topics expire by themselves: the output says what remains where, and until when.

Examples:

  waybill erase --org 7b2e0000-0000-4000-8000-000000000001 --customer c0570000-0000-4000-8000-000000000001 --dry-run
  waybill erase --org 7b2e0000-0000-4000-8000-000000000001 --address +12025550123 --yes
  waybill erase --org 7b2e0000-0000-4000-8000-000000000001 --yes`
}

// Run erases.
func (c eraseCmd) Run(s *session) error {
	if c.DryRun == c.Yes {
		return &operate.UsageError{What: "say --dry-run to see how much it is, or --yes to erase it: this cannot be undone"}
	}
	var cfg struct{ Retention retention.Config }
	if err := config.Load(&cfg, s.env); err != nil {
		return err
	}
	return s.withDatabase(func(db *postgres.DB) error {
		e := operate.Erase{
			Personal: postgres.NewPrivacy(db), Keep: cfg.Retention, User: whoami(), Now: time.Now,
			Progress: func(what string, n int64) { s.progress("%s: %d rows so far", what, n) },
		}
		done, err := e.Run(s.ctx, c.whose(), c.DryRun)
		if err != nil {
			return err
		}
		return s.print(done, func(w io.Writer) { printErased(w, &done) })
	})
}

// whoami is who asks, as the operating system knows them.
func whoami() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

func printErased(w io.Writer, e *privacy.Erased) {
	verb := "erased"
	if e.DryRun {
		verb = "would be erased"
	} else {
		fmt.Fprintf(w, "erasure\t%s\n", e.ID)
	}
	for _, table := range slices.Sorted(maps.Keys(e.Rows)) {
		fmt.Fprintf(w, "%s\t%d\n", table, e.Rows[table])
	}
	fmt.Fprintf(w, "%d rows %s; what remains elsewhere:\n", e.Total(), verb)
	for _, r := range e.Remains {
		until := "not Waybill's to say"
		if r.Until != nil {
			until = "until " + show(r.Until, "-")
		}
		fmt.Fprintf(w, "%s\t%s\n", r.Where, until)
	}
}
