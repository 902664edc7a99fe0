package operate

import (
	"context"
	"maps"

	"waybill/internal/events"
	"waybill/internal/history"
)

// Campaigns reads campaigns' numbers.
type Campaigns interface {
	CampaignsByID(ctx context.Context, id string, org events.OrgID) ([]history.Campaign, error)
}

// Numbers are a campaign's counters, and the same numbers recounted from the
// rows; zeros are left out. Its JSON names are promises.
type Numbers struct {
	CampaignID string           `json:"campaign_id"`
	Org        events.OrgID     `json:"org_id"`
	Messages   int64            `json:"messages"` // sum of Counters
	Counters   map[string]int64 `json:"counters"` // messages by current status
	Recounted  map[string]int64 `json:"recounted"`
	Reached    map[string]int64 `json:"reached"` // messages that ever had the status
	Equal      bool             `json:"equal"`   // Counters and Recounted
}

// ShowCampaign returns a campaign's numbers. An org narrows; without one the id
// must belong to one organisation alone.
func ShowCampaign(ctx context.Context, c Campaigns, id, orgID string) (Numbers, error) {
	campaign, err := events.ParseUUID(id)
	if err != nil {
		return Numbers{}, usage("the campaign's id: %v", err)
	}
	var org events.OrgID
	if orgID != "" {
		if org, err = parseOrg(orgID); err != nil {
			return Numbers{}, err
		}
	}
	all, err := c.CampaignsByID(ctx, campaign, org)
	switch {
	case err != nil:
		return Numbers{}, err
	case len(all) == 0:
		return Numbers{}, NotFound("no campaign has this id: it is on record once a send record that names it was applied")
	case len(all) > 1:
		return Numbers{}, usage("%d organisations have a campaign of this id: add --org", len(all))
	}
	return numbers(&all[0]), nil
}

func numbers(c *history.Campaign) Numbers {
	n := Numbers{
		CampaignID: c.ID, Org: c.Org, Counters: c.Counters, Recounted: c.Recounted, Reached: c.Reached,
		Equal: maps.Equal(c.Counters, c.Recounted),
	}
	for _, messages := range c.Counters {
		n.Messages += messages
	}
	return n
}
