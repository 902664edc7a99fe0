package main

import (
	"fmt"
	"io"
	"strings"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
)

type heldCmd struct {
	List    heldListCmd    `cmd:"" help:"List held events."`
	Show    heldShowCmd    `cmd:"" help:"Show one held event with every key that could free it."`
	Release heldReleaseCmd `cmd:"" help:"Process parked events anew."`
	Replay  heldReplayCmd  `cmd:"" help:"Process held events of any state anew."`
	Dismiss heldDismissCmd `cmd:"" help:"Give up held events: their outcome becomes ignored."`
}

// heldFlags narrow which held events are meant.
type heldFlags struct {
	State string `help:"parked, quarantined or dead."`
	Key   string `help:"A key that could free them, or an id that they name."`
	Org   string `placeholder:"UUID" help:"Events whose signer is an organisation's."`
}

type heldListCmd struct {
	heldFlags

	Limit int `default:"1000" help:"Most events to list."`
}

// Help gives examples.
func (heldListCmd) Help() string {
	return `Newest first.

Examples:

  waybill held list --state quarantined
  waybill held list --key SM0123456789abcdef0123456789abcdef --json`
}

// Run lists held events.
func (c heldListCmd) Run(s *session) error {
	if c.Limit < 1 || c.Limit > 100_000 {
		return &operate.UsageError{What: "--limit: want 1 to 100000"}
	}
	return s.withDatabase(func(db *postgres.DB) error {
		sel := operate.Selection{State: c.State, Key: c.Key, Org: c.Org}
		all, err := operate.ListHeld(s.ctx, postgres.NewHeld(db), sel, c.Limit)
		if err != nil {
			return err
		}
		return s.print(all, func(w io.Writer) {
			fmt.Fprintln(w, "RECEIVED\tSTATE\tREASON\tKEY\tREADY\tEVENT")
			for i := range all {
				h := &all[i]
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%t\t%s\n", show(&h.ReceivedAt, "-"), h.State, h.Reason, dash(h.Key), h.Ready, h.ID)
			}
		})
	})
}

type heldShowCmd struct {
	ID string `arg:"" name:"event-id" help:"The event's id."`
}

// Help gives examples.
func (heldShowCmd) Help() string {
	return `Example:

  waybill held show 'twilio/AC.../message.status/SM...:delivered:'`
}

// Run shows one held event.
func (c heldShowCmd) Run(s *session) error {
	return s.withDatabase(func(db *postgres.DB) error {
		h, err := operate.ShowHeld(s.ctx, postgres.NewHeld(db), c.ID)
		if err != nil {
			return err
		}
		return s.print(h, func(w io.Writer) {
			fmt.Fprintf(w, "event\t%s\nstate\t%s\nreason\t%s\nkeys\t%s\n", h.ID, h.State, h.Reason, dash(strings.Join(h.Keys, ", ")))
			fmt.Fprintf(w, "verified as\t%s\nreceived\t%s\nheld\t%s\n", dash(h.Signer), show(&h.ReceivedAt, "-"), show(&h.HeldAt, "-"))
			fmt.Fprintf(w, "kafka\t%s/%d@%d\nready\t%t\nheld again\t%d times\n", h.Kafka.Topic, h.Kafka.Partition, h.Kafka.Offset, h.Ready, h.Attempts)
		})
	})
}

// actFlags say which held events an act is for.
type actFlags struct {
	IDs []string `arg:"" optional:"" name:"event-id" help:"The events' ids."`
	heldFlags

	All    bool `help:"Every held event that the other flags leave."`
	DryRun bool `name:"dry-run" help:"Only say how many events it would be."`
}

func (f *actFlags) act(s *session, act history.HeldAct) error {
	return s.withDatabase(func(db *postgres.DB) error {
		sel := operate.Selection{IDs: f.IDs, State: f.State, Key: f.Key, Org: f.Org}
		done, err := operate.ChangeHeld(s.ctx, postgres.NewHeld(db), act, sel, f.All, f.DryRun, func(n int) {
			s.progress("%d events so far", n)
		})
		if err != nil {
			return err
		}
		return s.print(done, func(w io.Writer) {
			verb := map[history.HeldAct]string{history.ActReplay: "processed anew", history.ActDismiss: "dismissed"}[act]
			if done.DryRun {
				verb = "would be " + verb
			}
			fmt.Fprintf(w, "%d events %s\n", done.Events, verb)
			for _, state := range []events.Outcome{events.Parked, events.Quarantined, events.Dead} {
				if n := done.States[state]; n > 0 {
					fmt.Fprintf(w, "%s\t%d\n", state, n)
				}
			}
		})
	})
}

type heldReleaseCmd struct{ actFlags }

// Help gives examples.
func (heldReleaseCmd) Help() string {
	return `Parked events are released by themselves as soon as one of their keys is recorded; this asks again. They go through
the router as if they had just arrived, and are parked again if nothing is known still. Without ids and --state it
takes parked events only.

Examples:

  waybill held release --key SM0123456789abcdef0123456789abcdef
  waybill held release --all --dry-run`
}

// Run releases held events.
func (c heldReleaseCmd) Run(s *session) error {
	if c.State == "" && len(c.IDs) == 0 {
		if c.Key == "" && c.Org == "" && !c.All {
			return &operate.UsageError{What: "say which events: their ids, --state, --key or --org, or --all"}
		}
		c.State = string(events.Parked)
	}
	return c.act(s, history.ActReplay)
}

type heldReplayCmd struct{ actFlags }

// Help gives examples.
func (heldReplayCmd) Help() string {
	return `For quarantined events after the set-up was put right, and for dead ones after an upgrade that can read them. A replay
goes through dedupe and merge: it changes what a first delivery would, and never sends a message again.

Examples:

  waybill held replay --state quarantined --key SM0123456789abcdef0123456789abcdef
  waybill held replay --state dead --dry-run`
}

// Run replays held events.
func (c heldReplayCmd) Run(s *session) error { return c.act(s, history.ActReplay) }

type heldDismissCmd struct{ actFlags }

// Help gives examples.
func (heldDismissCmd) Help() string {
	return `The events are counted as ignored from then on, and a repeat of one is a duplicate. This cannot be undone.

Examples:

  waybill held dismiss --state dead --dry-run
  waybill held dismiss 'twilio/AC.../message.status/SM...:delivered:'`
}

// Run dismisses held events.
func (c heldDismissCmd) Run(s *session) error { return c.act(s, history.ActDismiss) }
