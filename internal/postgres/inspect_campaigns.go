package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/postgres/dbq"
)

// CampaignsByID returns the campaigns of that id, one for each organisation
// that has one, counted and recounted in one consistent view. An empty org
// means every organisation.
func (s *Inspect) CampaignsByID(ctx context.Context, id string, org events.OrgID) ([]history.Campaign, error) {
	var all []history.Campaign
	err := s.db.snapshot(ctx, "reading a campaign", false, func(_ pgx.Tx, q *dbq.Queries) error {
		orgs, err := q.OrgIDs(ctx, optional(string(org)))
		if err != nil {
			return err
		}
		owners, err := q.CampaignOrgs(ctx, dbq.CampaignOrgsParams{ID: id, Orgs: orgs})
		for _, owner := range owners {
			c, err := readCampaign(ctx, q, owner, id)
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		return err
	})
	return all, err
}

func readCampaign(ctx context.Context, q *dbq.Queries, org, id string) (history.Campaign, error) {
	c := history.Campaign{
		Org: events.OrgID(org), ID: id,
		Counters: map[string]int64{}, Reached: map[string]int64{}, Recounted: map[string]int64{},
	}
	counters, err := q.CampaignCounters(ctx, dbq.CampaignCountersParams{OrgID: org, CampaignID: id})
	if err != nil {
		return c, err
	}
	for _, r := range counters {
		if r.Messages != 0 {
			c.Counters[r.Status] = r.Messages
		}
		if r.Reached != 0 {
			c.Reached[r.Status] = r.Reached
		}
	}
	recount, err := q.CampaignRecount(ctx, dbq.CampaignRecountParams{OrgID: org, CampaignID: &id})
	for _, r := range recount {
		c.Recounted[r.Status] = r.Messages
	}
	return c, err
}
