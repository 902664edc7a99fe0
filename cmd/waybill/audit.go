package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/postgres"
)

type auditCmd struct {
	Since *past         `placeholder:"TIME" help:"Only what was received since then: a time, a date, or how long ago. Everything that Kafka still holds when left out."`
	Wait  time.Duration `placeholder:"DURATION" help:"Wait so long, at most, until everything was consumed."`
}

// Help gives examples.
func (auditCmd) Help() string {
	return `Reads every raw request and send record that Kafka holds and looks up what became of each receipt:

  receipts = final + held + duplicates + in flight + missing

Then it recounts every campaign, and compares outcomes, timelines and rows with each other: every final event is in a
timeline, every row is where its last transition left it, no transition is missing or there twice. Exits with 1 when
something does not add up.

Examples:

  waybill audit --wait 30s
  waybill audit --since 24h --json`
}

// Run audits.
func (c auditCmd) Run(s *session) error {
	return s.withDatabase(func(db *postgres.DB) error {
		return s.withKafka(func(client *kafkabus.Client) error {
			a := operate.Audit{Ledger: postgres.NewInspect(db), Log: client, Progress: func(what string) { s.progress("%s", what) }}
			if c.Wait > 0 {
				if err := a.Wait(s.ctx, c.Wait); err != nil {
					return err
				}
			}
			var since time.Time
			if c.Since != nil {
				since = c.Since.Time
			}
			b, err := a.Run(s.ctx, since)
			if err != nil {
				return err
			}
			if err := s.print(b, func(w io.Writer) { printBalance(w, &b) }); err != nil {
				return err
			}
			if !b.Balanced {
				return errors.New("it does not balance: look the positions up in Kafka and the campaigns with `waybill campaign show`, and report it")
			}
			return nil
		})
	})
}

func printBalance(w io.Writer, b *operate.Balance) {
	fmt.Fprintf(w, "receipts\t%d\n", b.Receipts)
	printOutcomes(w, "final", b.Final)
	printOutcomes(w, "held", b.Held)
	fmt.Fprintf(w, "duplicates\t%d\n", b.Duplicates)
	fmt.Fprintf(w, "in flight\t%d\n", b.InFlight)
	fmt.Fprintf(w, "missing\t%d\n", b.Missing)
	for _, at := range b.MissingAt {
		fmt.Fprintf(w, "  at\t%s/%d@%d\n", at.Topic, at.Partition, at.Offset)
	}
	fmt.Fprintf(w, "campaigns\t%d\n", b.Campaigns)
	fmt.Fprintf(w, "counters that differ\t%d\n", len(b.Differences))
	for _, d := range b.Differences {
		fmt.Fprintf(w, "  %s of %s\t%s: counted %d, rows say %d\n", d.CampaignID, d.Org, d.Status, d.Counter, d.Recounted)
	}
	for _, g := range b.Gaps {
		fmt.Fprintf(w, "%s\t%d, one is %s\n", g.What, g.Count, g.Example)
	}
	if b.Balanced {
		fmt.Fprintln(w, "balanced")
	}
}

func printOutcomes(w io.Writer, name string, outcomes map[events.Outcome]int) {
	total := 0
	for _, n := range outcomes {
		total += n
	}
	fmt.Fprintf(w, "%s\t%d\n", name, total)
	for _, o := range slices.Sorted(maps.Keys(outcomes)) {
		fmt.Fprintf(w, "  %s\t%d\n", o, outcomes[o])
	}
}
