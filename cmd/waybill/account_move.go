package main

import (
	"fmt"
	"io"
	"time"

	"waybill/internal/operate"
)

type accountMoveCmd struct {
	Account string `arg:"" help:"The account's id or name."`
	Org     string `required:"" placeholder:"UUID" help:"The organisation that the account signs for from then on."`
	From    string `placeholder:"UUID" help:"The organisation that it leaves; needed if it signs for several."`
	At      moment `required:"" placeholder:"TIME" help:"When; at least 5 seconds ahead."`
}

// Help gives examples.
func (accountMoveCmd) Help() string {
	return `For a subaccount that changes hands. Its tokens stay. What was sent before that time stays the former organisation's, and the
account still signs for it. Of several organisations that an account signs for the others keep theirs; an account of the
platform signs for every organisation and cannot be moved. Senders are moved by themselves, see number move.

Examples:

  waybill account move AC0123456789abcdef0123456789abcdef --org 91cc... --at +10s
  waybill account move AC0123456789abcdef0123456789abcdef --from 7b2e... --org 91cc... --at 2026-12-01`
}

// Run moves an account.
func (c accountMoveCmd) Run(s *session) error {
	return s.onboard(false, func(o *operate.Onboard) error {
		moved, err := o.Reassign(s.ctx, c.Account, c.From, c.Org, c.At.Time)
		if err != nil {
			return err
		}
		return s.print(moved, func(w io.Writer) {
			fmt.Fprintln(w, "ID\tPROVIDER\tNAME\tFROM\tTO\tAT\tEVENTS RELEASED")
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\n", moved.ID, moved.Provider, moved.Name, moved.From, moved.To,
				moved.At.UTC().Format(time.DateTime), moved.Released)
		})
	})
}
