package main

import (
	"fmt"
	"io"

	"waybill/internal/operate"
	"waybill/internal/tenants"
)

type orgCmd struct {
	Create orgCreateCmd `cmd:"" help:"Enter an organisation."`
	List   orgListCmd   `cmd:"" help:"List organisations."`
}

type orgCreateCmd struct {
	Name       string `required:"" help:"Name for people."`
	ID         string `name:"id" placeholder:"UUID" help:"Its id; a fresh one when left out."`
	ExternalID string `name:"external-id" help:"The platform's own id."`
}

// Help gives examples.
func (orgCreateCmd) Help() string {
	return `Example:

  waybill org create --name "Harbour Dental" --external-id 4711`
}

// Run enters an organisation.
func (c orgCreateCmd) Run(s *session) error {
	return s.onboard(false, func(o *operate.Onboard) error {
		org, err := o.NewOrg(s.ctx, c.ID, c.Name, c.ExternalID)
		if err != nil {
			return err
		}
		return s.print(org, func(w io.Writer) { printOrgs(w, org) })
	})
}

type orgListCmd struct{}

// Help gives examples.
func (orgListCmd) Help() string {
	return `Example:

  waybill org list --json`
}

// Run lists organisations.
func (orgListCmd) Run(s *session) error {
	return s.onboard(false, func(o *operate.Onboard) error {
		orgs, err := o.Orgs(s.ctx)
		if err != nil {
			return err
		}
		return s.print(orgs, func(w io.Writer) { printOrgs(w, orgs...) })
	})
}

func printOrgs(w io.Writer, orgs ...tenants.Org) {
	fmt.Fprintln(w, "ID\tNAME\tEXTERNAL ID\tCREATED")
	for i := range orgs {
		o := &orgs[i]
		name := o.Name
		if o.ErasedAt != nil {
			name = "(erased)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", o.ID, name, dash(o.ExternalID), show(&o.CreatedAt, "-"))
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
