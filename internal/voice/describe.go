package voice

import (
	"cmp"
	"slices"

	"waybill/internal/events"
	"waybill/internal/join"
)

// describe merges into c what e says about the call beside its state, and
// reports whether that was news. Each field has a join of its own.
func describe(c *Call, e *events.Call) bool {
	news := []bool{
		join.Smallest(&c.Provider, e.Provider.Carrier()),
		join.Smallest(&c.ProviderID, e.ProviderID),
		join.Smallest(&c.ParentID, e.ParentID),
		join.Smallest(&c.Account, e.Account),
		// A recording does not say the direction. Outbound is the greater text,
		// so that any other event corrects the assumption.
		join.Smallest(&c.Direction, cmp.Or(e.Direction, events.Outbound)),
		join.Smallest(&c.From, e.From),
		join.Smallest(&c.To, e.To),
		join.Strongest(&c.Origin, events.OriginOf(e.Kind, e.Direction), events.OriginRank),
		join.Latest(&c.OccurredAt, e.OccurredAt),
	}
	if e.Kind == events.KindSend { // a callback may only echo these
		news = append(news,
			join.Smallest(&c.MessageID, e.MessageID),
			join.Smallest(&c.CampaignID, e.CampaignID),
			join.Smallest(&c.CustomerID, e.CustomerID),
			join.Earliest(&c.SentAt, e.SentAt),
		)
	}
	return slices.Contains(news, true)
}
