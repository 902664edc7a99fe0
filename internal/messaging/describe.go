package messaging

import (
	"slices"

	"waybill/internal/events"
	"waybill/internal/join"
)

// describe merges into m what e says about the message beside its state, and
// reports whether that was news. Each field has a join of its own.
func describe(m *Message, e *events.Message) bool {
	news := []bool{
		join.Smallest(&m.Provider, e.Provider.Carrier()),
		join.Smallest(&m.ProviderID, e.ProviderID),
		join.Smallest(&m.Account, e.Account),
		join.Smallest(&m.Channel, e.Channel),
		join.Smallest(&m.Direction, e.Direction),
		join.Smallest(&m.From, e.From),
		join.Smallest(&m.To, e.To),
		join.Smallest(&m.Service, e.Service),
		join.Smallest(&m.Body, e.Body),
		join.SmallestList(&m.Media, e.Media),
		join.Strongest(&m.Origin, events.OriginOf(e.Kind, e.Direction), events.OriginRank),
		join.Latest(&m.OccurredAt, e.OccurredAt),
	}
	if e.Kind == events.KindSend { // a callback may only echo these
		news = append(news,
			join.Smallest(&m.MessageID, e.MessageID),
			join.Smallest(&m.CampaignID, e.CampaignID),
			join.Smallest(&m.CustomerID, e.CustomerID),
			join.Earliest(&m.SentAt, e.SentAt),
		)
	}
	return slices.Contains(news, true)
}
