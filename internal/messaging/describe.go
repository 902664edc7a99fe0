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
		join.Text(&m.Provider, providerOf(e)),
		join.Text(&m.ProviderID, e.ProviderID),
		join.Text(&m.Account, e.Account),
		join.Text(&m.Channel, e.Channel),
		join.Text(&m.Direction, e.Direction),
		join.Text(&m.From, e.From),
		join.Text(&m.To, e.To),
		join.Text(&m.Service, e.Service),
		join.Text(&m.Body, e.Body),
		join.Texts(&m.Media, e.Media),
		join.Strongest(&m.Origin, originOf(e), origins),
		join.Latest(&m.OccurredAt, e.OccurredAt),
	}
	if e.Kind == events.KindSend { // a callback may only echo these
		news = append(news,
			join.Text(&m.MessageID, e.MessageID),
			join.Text(&m.CampaignID, e.CampaignID),
			join.Text(&m.CustomerID, e.CustomerID),
			join.Earliest(&m.SentAt, e.SentAt),
		)
	}
	return slices.Contains(news, true)
}

// providerOf returns who carries the message. The sender of a send record is
// not a carrier, and its name would win over "twilio".
func providerOf(e *events.Message) events.Provider {
	if e.Provider == events.Sender {
		return ""
	}
	return e.Provider
}
