package main

import (
	"fmt"
	"io"
	"time"

	"waybill/internal/operate"
	"waybill/internal/tenants"
)

type numberCmd struct {
	Add  numberAddCmd  `cmd:"" help:"Enter a sender of an organisation."`
	Move numberMoveCmd `cmd:"" help:"Give a sender to another organisation."`
	List numberListCmd `cmd:"" help:"List senders and whose they were when."`
}

type numberAddCmd struct {
	Value    string  `arg:"" help:"The sender: +15550100001, 55512, ACME, whatsapp:+15550100001, MG..., news@example.com."`
	Org      string  `required:"" placeholder:"UUID" help:"The organisation."`
	Shared   bool    `help:"Several organisations may share it."`
	Kind     string  `help:"number, short_code, alphanumeric, whatsapp, messaging_service or email_identity; told from the value when left out."`
	From     *moment `placeholder:"TIME" help:"Since when. Left out: from the beginning if nobody ever held it, else from now."`
	To       *moment `placeholder:"TIME" help:"Until when; open when left out."`
	Redirect string  `name:"voice-redirect" placeholder:"URL" help:"Where inbound calls to this number are redirected."`
}

// Help gives examples.
func (numberAddCmd) Help() string {
	return `Times of one sender do not overlap unless it is shared. A time in the past releases what was parked for the sender.

Examples:

  waybill number add +15550100001 --org 7b2e...
  waybill number add +15550100001 --org 7b2e... --from 2026-11-01T00:00:00Z
  waybill number add 55512 --org 7b2e... --shared`
}

// Run enters a sender.
func (c numberAddCmd) Run(s *session) error {
	return s.onboard(false, func(o *operate.Onboard) error {
		placed, err := o.PlaceSender(s.ctx, operate.Sender{
			Value: c.Value, Org: c.Org, Kind: tenants.Kind(c.Kind), Shared: c.Shared,
			From: c.From.ptr(), To: c.To.ptr(), VoiceRedirect: c.Redirect,
		})
		if err != nil {
			return err
		}
		return s.printPlaced(&placed)
	})
}

type numberMoveCmd struct {
	Value string `arg:"" help:"The sender."`
	Org   string `required:"" placeholder:"UUID" help:"The organisation that gets it."`
	At    moment `required:"" placeholder:"TIME" help:"When; at least 5 seconds ahead."`
}

// Help gives examples.
func (numberMoveCmd) Help() string {
	return `Events before that time stay the former holder's.

Example:

  waybill number move +15550100001 --org 91cc... --at +10s`
}

// Run moves a sender.
func (c numberMoveCmd) Run(s *session) error {
	return s.onboard(false, func(o *operate.Onboard) error {
		placed, err := o.Transfer(s.ctx, c.Value, c.Org, c.At.Time)
		if err != nil {
			return err
		}
		return s.printPlaced(&placed)
	})
}

func (s *session) printPlaced(p *tenants.Placed) error {
	return s.print(p, func(w io.Writer) {
		printSenders(w, p.Sender)
		if p.Released > 0 {
			fmt.Fprintf(w, "%d held events are processed anew\n", p.Released)
		}
	})
}

type numberListCmd struct{}

// Help gives examples.
func (numberListCmd) Help() string {
	return `Example:

  waybill number list`
}

// Run lists senders.
func (numberListCmd) Run(s *session) error {
	return s.onboard(false, func(o *operate.Onboard) error {
		all, err := o.Senders(s.ctx)
		if err != nil {
			return err
		}
		return s.print(all, func(w io.Writer) { printSenders(w, all...) })
	})
}

func printSenders(w io.Writer, all ...tenants.Sender) {
	fmt.Fprintln(w, "SENDER\tKIND\tORGANISATION\tSHARED\tFROM\tTO\tVOICE REDIRECT")
	for i := range all {
		s := &all[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%t\t%s\t%s\t%s\n", s.Value, s.Kind, s.Org, s.Shared,
			seconds(s.From, "the beginning"), seconds(s.To, "open"), dash(s.VoiceRedirect))
	}
}

// seconds writes a time for a person where milliseconds do not matter.
func seconds(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return t.UTC().Format(time.DateTime)
}
