package main

import (
	"fmt"
	"io"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
)

// actFlags say which held events an act is for.
type actFlags struct {
	IDs []string `arg:"" optional:"" name:"event-id" help:"The events' ids."`
	heldFlags

	All    bool   `help:"Every held event that the other flags leave."`
	DryRun bool   `name:"dry-run" help:"Only say how many events it would be."`
	Note   string `help:"Why, for the record; name no person."`
}

func (f *actFlags) act(s *session, act history.HeldAct, to string) error {
	return s.withDatabase(func(db *postgres.DB) error {
		which := f.selection()
		which.IDs = f.IDs
		order := operate.Order{Act: act, Which: which, All: f.All, To: to, Note: f.Note, User: whoami(), DryRun: f.DryRun}
		done, err := operate.ChangeHeld(s.ctx, postgres.NewHeld(db), order, func(n int) { s.progress("%d events so far", n) })
		if err != nil {
			return err
		}
		return s.print(done, func(w io.Writer) { printActed(w, &done) })
	})
}

func printActed(w io.Writer, done *operate.Acted) {
	verb := "processed anew"
	switch {
	case done.Org != nil:
		verb = "released to " + string(*done.Org)
	case done.Act == history.ActDismiss:
		verb = "dismissed"
	}
	if done.DryRun {
		verb = "would be " + verb
	}
	fmt.Fprintf(w, "%d events %s\n", done.Events, verb)
	for _, state := range []events.Outcome{events.Parked, events.Quarantined, events.Dead} {
		if n := done.States[state]; n > 0 {
			fmt.Fprintf(w, "%s\t%d\n", state, n)
		}
	}
}

type heldReleaseCmd struct {
	actFlags

	To string `placeholder:"UUID" help:"Release these events to an organisation: they are processed as its own."`
}

// Help gives examples.
func (heldReleaseCmd) Help() string {
	return `Parked events are released by themselves as soon as one of their keys is recorded; this asks again. They go through
the router as if they had just arrived, and are parked again if nothing is known still. Without ids and --state it
takes parked events only.

With --to you say whose parked or quarantined callbacks are, by their ids; what cannot be processed, send records and
Stripe's events are refused, and then none is released.

Examples:

  waybill held release --key SM0123456789abcdef0123456789abcdef
  waybill held release --all --dry-run
  waybill held release 'twilio/AC.../message.status/SM...:delivered:' --to 7b2e0000-0000-4000-8000-000000000001 --note 'ticket 4711'`
}

// Run releases held events.
func (c heldReleaseCmd) Run(s *session) error {
	if which := c.selection(); c.State == "" && len(c.IDs) == 0 && c.To == "" && (c.All || !which.Empty()) {
		c.State = string(events.Parked)
	}
	return c.act(s, history.ActRelease, c.To)
}

type heldReplayCmd struct{ actFlags }

// Help gives examples.
func (heldReplayCmd) Help() string {
	return `For quarantined events after the set-up was put right, and for dead ones after an upgrade that can read them. A replay
goes through dedupe and merge: it changes what a first delivery would, and never sends a message again.

Examples:

  waybill held replay --state quarantined --key SM0123456789abcdef0123456789abcdef
  waybill held replay --state dead --reason unknown_status --since 2026-11-23 --dry-run`
}

// Run replays held events.
func (c heldReplayCmd) Run(s *session) error { return c.act(s, history.ActReplay, "") }

type heldDismissCmd struct{ actFlags }

// Help gives examples.
func (heldDismissCmd) Help() string {
	return `The events are counted as ignored from then on, and a repeat of one is a duplicate. This cannot be undone.

Examples:

  waybill held dismiss --state dead --dry-run
  waybill held dismiss 'twilio/AC.../message.status/SM...:delivered:' --note 'a test of the provider'`
}

// Run dismisses held events.
func (c heldDismissCmd) Run(s *session) error { return c.act(s, history.ActDismiss, "") }
