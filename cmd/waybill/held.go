package main

import (
	"fmt"
	"io"
	"strings"

	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
)

type heldCmd struct {
	List    heldListCmd    `cmd:"" help:"List held events."`
	Show    heldShowCmd    `cmd:"" help:"Show one held event with every key that could free it."`
	Release heldReleaseCmd `cmd:"" help:"Process parked events anew, or say whose events are."`
	Replay  heldReplayCmd  `cmd:"" help:"Process held events of any state anew."`
	Dismiss heldDismissCmd `cmd:"" help:"Give up held events: their outcome becomes ignored."`
	Acts    heldActsCmd    `cmd:"" help:"List what operators did to held events."`
}

// heldFlags narrow which held events are meant.
type heldFlags struct {
	State    string `help:"parked, quarantined or dead."`
	Reason   string `help:"Why they are held, as in the list."`
	Provider string `help:"twilio, ses, connect, stripe, or sender for send records."`
	Key      string `help:"A key that could free them, or an id that they name."`
	Org      string `placeholder:"UUID" help:"Events whose signer is an organisation's."`
	Since    *past  `placeholder:"TIME" help:"Received from then on: RFC 3339, a date, or a duration ago such as 24h."`
	Before   *past  `placeholder:"TIME" help:"Received earlier than that."`
}

func (f *heldFlags) selection() operate.Selection {
	s := operate.Selection{State: f.State, Reason: f.Reason, Provider: f.Provider, Key: f.Key, Org: f.Org}
	if f.Since != nil {
		s.Since = f.Since.Time
	}
	if f.Before != nil {
		s.Before = f.Before.Time
	}
	return s
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
  waybill held list --reason no_mapping --provider twilio --before 24h
  waybill held list --key SM0123456789abcdef0123456789abcdef --json`
}

// Run lists held events.
func (c heldListCmd) Run(s *session) error {
	if c.Limit < 1 || c.Limit > 100_000 {
		return &operate.UsageError{What: "--limit: want 1 to 100000"}
	}
	return s.withDatabase(func(db *postgres.DB) error {
		all, err := operate.ListHeld(s.ctx, postgres.NewHeld(db), c.selection(), c.Limit)
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
	return `With what operators did to it, so far as it was not one of many in a bulk act.

Example:

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
			fmt.Fprintf(w, "event\t%s\nstate\t%s\nreason\t%s\n", h.ID, h.State, h.Reason)
			for i, claim := range strings.Fields(h.Detail) {
				fmt.Fprintf(w, "%s\t%s\n", map[bool]string{true: "evidence"}[i == 0], claim)
			}
			fmt.Fprintf(w, "keys\t%s\n", dash(strings.Join(h.Keys, ", ")))
			fmt.Fprintf(w, "verified as\t%s\nreceived\t%s\nheld\t%s\n", dash(h.Signer), show(&h.ReceivedAt, "-"), show(&h.HeldAt, "-"))
			fmt.Fprintf(w, "kafka\t%s/%d@%d\nready\t%t\ntried again at\t%s\nheld again\t%d times\n", h.Kafka.Topic, h.Kafka.Partition, h.Kafka.Offset, h.Ready, show(h.RetryAt, "-"), h.Attempts)
			for i := range h.Acts {
				fmt.Fprintf(w, "act\t%s\n", actLine(&h.Acts[i]))
			}
		})
	})
}

// actLine tells an act on one event.
func actLine(a *history.Act) string {
	text := fmt.Sprintf("%s %s by %s", show(&a.At, "-"), a.Act, by(a))
	if a.Org != nil {
		text += " to " + string(*a.Org)
	}
	text += fmt.Sprintf(", was %s (%s)", a.State, a.Reason)
	if a.Note != "" {
		text += ": " + a.Note
	}
	return text
}

// by is who did an act: the role, and the user of the machine.
func by(a *history.Act) string {
	if a.User == "" {
		return a.Operator
	}
	return a.Operator + "/" + a.User
}

type heldActsCmd struct {
	ID    string `arg:"" optional:"" name:"event-id" help:"Of this event alone; it may be held no longer."`
	Since past   `default:"2160h" placeholder:"TIME" help:"From then on: RFC 3339, a date, or a duration ago such as 24h."`
	Limit int    `default:"1000" help:"Most acts to list."`
}

// Help gives examples.
func (heldActsCmd) Help() string {
	return `Newest first. An act on one event or a few, or on a quarantined event, is a line for each event; the others of a bulk act
are counted by thousands. Without --since those of the last 90 days; acts are kept for a year.

Examples:

  waybill held acts --since 24h
  waybill held acts 'twilio/AC.../message.status/SM...:delivered:' --json`
}

// Run lists acts.
func (c heldActsCmd) Run(s *session) error {
	if c.Limit < 1 || c.Limit > 100_000 {
		return &operate.UsageError{What: "--limit: want 1 to 100000"}
	}
	return s.withDatabase(func(db *postgres.DB) error {
		all, err := operate.ListActs(s.ctx, postgres.NewHeld(db), c.ID, c.Since.Time, c.Limit)
		if err != nil {
			return err
		}
		return s.print(all, func(w io.Writer) {
			fmt.Fprintln(w, "AT\tACT\tBY\tEVENTS\tSTATE\tREASON\tTO\tFILTER\tNOTE\tEVENT")
			for i := range all {
				a := &all[i]
				var org, event string
				if a.Org != nil {
					org = string(*a.Org)
				}
				if a.Event != nil {
					event = string(*a.Event)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n",
					show(&a.At, "-"), a.Act, by(a), a.Events, a.State, dash(a.Reason), dash(org), a.Filter, dash(a.Note), dash(event))
			}
		})
	})
}
