package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"waybill/internal/operate"
	"waybill/internal/tenants"
)

type accountCmd struct {
	Add    accountAddCmd    `cmd:"" help:"Enter an account, or add a token or organisation to one."`
	Move   accountMoveCmd   `cmd:"" help:"Let an account sign for another organisation."`
	List   accountListCmd   `cmd:"" help:"List accounts, without their secrets."`
	Remove accountRemoveCmd `cmd:"" help:"Remove an account, or one of its tokens."`
	Reseal accountResealCmd `cmd:"" help:"Seal every token under a new secret key."`
}

type accountListCmd struct{}

// Help gives examples.
func (accountListCmd) Help() string {
	return `Shows which tokens there are, how old they are and when each last signed a callback, never a token. The time of use is exact to
a minute, and less after a router died; "not seen" of a token that is in use means that it has not signed since this was kept.

Example:

  waybill account list`
}

// Run lists accounts.
func (accountListCmd) Run(s *session) error {
	return s.onboard(false, func(o *operate.Onboard) error {
		all, err := o.Accounts(s.ctx)
		if err != nil {
			return err
		}
		return s.print(all, func(w io.Writer) {
			fmt.Fprintln(w, "ID\tPROVIDER\tNAME\tSIGNS FOR\tTOKENS")
			for i := range all {
				a := &all[i]
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.ID, issuer(a), a.Name, signsFor(a), tokens(a))
			}
		})
	})
}

func issuer(a *tenants.Account) string {
	if a.Purpose == "" {
		return string(a.Provider)
	}
	return string(a.Provider) + " for " + a.Purpose
}

func signsFor(a *tenants.Account) string {
	if a.Platform {
		return "every organisation"
	}
	var orgs []string
	now := time.Now()
	for _, t := range a.Orgs {
		if t.To != nil && !t.To.After(now) {
			continue // it is over
		}
		org := string(t.Org)
		if t.From != nil && t.From.After(now) {
			org += " from " + seconds(t.From, "")
		}
		if t.To != nil {
			org += " until " + seconds(t.To, "")
		}
		orgs = append(orgs, org)
	}
	return dash(strings.Join(orgs, ", "))
}

func tokens(a *tenants.Account) string {
	var all []string
	now := time.Now()
	for _, t := range a.Tokens {
		one := t.ID
		if t.KeyID != "" {
			one += " " + t.KeyID
		}
		one += fmt.Sprintf(" since %s (%d days)", t.CreatedAt.Format(time.DateOnly), int(now.Sub(t.CreatedAt).Hours()/24))
		all = append(all, one+", last used "+seconds(t.LastUsedAt, "not seen"))
	}
	return dash(strings.Join(all, "; "))
}

type accountRemoveCmd struct {
	ID    string `arg:"" name:"account" help:"The account's id or name."`
	Token string `name:"token-id" placeholder:"UUID" help:"Remove only this token, for the end of a rotation."`
}

// Help gives examples.
func (accountRemoveCmd) Help() string {
	return `What the account signed before is still judged as of then.

Examples:

  waybill account remove AC0123456789abcdef0123456789abcdef
  waybill account remove AC0123456789abcdef0123456789abcdef --token-id 3f2c...`
}

// Run removes an account or a token.
func (c accountRemoveCmd) Run(s *session) error {
	return s.onboard(false, func(o *operate.Onboard) error {
		if err := o.RemoveAccount(s.ctx, c.ID, strings.ToLower(c.Token)); err != nil {
			return err
		}
		removed := struct {
			Removed string `json:"removed"`
			Token   string `json:"token_id,omitempty"`
		}{c.ID, c.Token}
		return s.print(removed, func(w io.Writer) { fmt.Fprintln(w, "removed") })
	})
}
