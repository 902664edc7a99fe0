package main

import (
	"fmt"
	"io"

	"waybill/internal/operate"
)

type accountResealCmd struct {
	DryRun bool `help:"Only count."`
}

// Help gives the order of steps.
func (accountResealCmd) Help() string {
	return `For a new WAYBILL_SECRET_KEY. The variable takes several keys with commas between: the first seals, and all of them open.

  1. Put the new key in front, WAYBILL_SECRET_KEY=NEW,OLD, for ingest, this command and doctor, and restart every ingest.
  2. waybill account reseal
  3. waybill doctor; then leave the old key out, and restart every ingest.

Callbacks are accepted all along. Only tokens that are not removed are sealed anew, in transactions of some hundred each; it may be
stopped, and run again. A token that none of the keys opens stays as it is and is listed, and the exit status is 1: enter its secret
again with account add, and remove the token.

Who has read the old key and the database or the config topic knows the secrets: then they must be changed at the providers, too.

Examples:

  waybill account reseal --dry-run
  WAYBILL_SECRET_KEY="$(openssl rand -base64 32),$WAYBILL_SECRET_KEY" waybill account reseal --dry-run`
}

// Run seals every token under the first key.
func (c accountResealCmd) Run(s *session) error {
	return s.onboard(true, func(o *operate.Onboard) error {
		done, err := o.Reseal(s.ctx, c.DryRun)
		if err != nil {
			return err
		}
		if err := s.print(&done, func(w io.Writer) { printResealed(w, &done) }); err != nil {
			return err
		}
		if len(done.Unopened) > 0 {
			return errShown
		}
		return nil
	})
}

func printResealed(w io.Writer, done *operate.Resealed) {
	resealed := "RESEALED"
	if done.DryRun {
		resealed = "WOULD BE RESEALED"
	}
	fmt.Fprintf(w, "TOKENS\t%s\tUNDER THE FIRST KEY ALREADY\tOPENED BY NO KEY\n", resealed)
	fmt.Fprintf(w, "%d\t%d\t%d\t%d\n", done.Tokens, done.Resealed, done.Current, len(done.Unopened))
	for _, u := range done.Unopened {
		fmt.Fprintf(w, "no key opens %s of %s %s\n", u.TokenID, u.Provider, u.Name)
	}
}
