package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"waybill/internal/operate"
	"waybill/internal/postgres"
)

type campaignCmd struct {
	Show campaignShowCmd `cmd:"" help:"A campaign's counters, and the same numbers recounted from the rows."`
}

type campaignShowCmd struct {
	ID  string `arg:"" name:"id" help:"The campaign's id."`
	Org string `placeholder:"UUID" help:"The organisation, where several have a campaign of this id."`
}

// Help gives examples.
func (campaignShowCmd) Help() string {
	return `Exits with 3 when there is no such campaign, with 1 when the counters are not what the rows say.

Example:

  waybill campaign show 5d1f... --json`
}

// Run shows a campaign's numbers.
func (c campaignShowCmd) Run(s *session) error {
	return s.withDatabase(func(db *postgres.DB) error {
		n, err := operate.ShowCampaign(s.ctx, postgres.NewInspect(db), c.ID, c.Org)
		if err != nil {
			return err
		}
		if err := s.print(n, func(w io.Writer) { printNumbers(w, &n) }); err != nil {
			return err
		}
		if !n.Equal {
			return fmt.Errorf("the counters differ from the rows: this must not happen, please report it together with what `waybill audit` says")
		}
		return nil
	})
}

func printNumbers(w io.Writer, n *operate.Numbers) {
	fmt.Fprintf(w, "campaign %s of organisation %s, %d messages\n\n", n.CampaignID, n.Org, n.Messages)
	fmt.Fprintln(w, "STATUS\tMESSAGES\tRECOUNTED\tEVER REACHED")
	statuses := map[string]bool{}
	for _, m := range []map[string]int64{n.Counters, n.Recounted, n.Reached} {
		for status := range m {
			statuses[status] = true
		}
	}
	for _, status := range slices.Sorted(maps.Keys(statuses)) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", status, n.Counters[status], n.Recounted[status], n.Reached[status])
	}
}
