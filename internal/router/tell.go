package router

import (
	"context"

	"waybill/internal/consent"
	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// tell returns the consent events of a batch: what was asked of a shared sender
// concerns every organisation that wrote to the person from it.
//
// An event that is final under another receipt is a repeat. It is passed on to
// be counted, and nobody is told again: conversations have moved on, so it would
// reach organisations that it was not said to, and a request that is captured
// and sent again carries no clock of its own.
func (r *Router) tell(ctx context.Context, items []item) ([]events.Record, error) {
	var asked []*item
	var ids []events.EventID
	for i := range items {
		it := &items[i]
		if it.Outcome != "" || len(it.Others) == 0 || it.parsed.Message == nil {
			continue
		}
		if _, decided := consent.Asked(it.parsed.Message); decided {
			asked, ids = append(asked, it), append(ids, it.id)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	finals, err := r.Store.Finals(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []events.Record
	for _, it := range asked {
		if receipt, ok := finals[it.id]; ok && receipt != it.raw.Receipt {
			continue
		}
		for _, org := range it.Others {
			m := it.consent(org)
			rec, err := m.Record()
			if err != nil {
				return nil, err
			}
			out = append(out, rec)
		}
	}
	r.metrics.consents.Add(float64(len(out)))
	return out, nil
}

// consent returns what an organisation is told of a message that answers
// another's: the request and whose it is. The raw record holds what the person
// wrote to the other one, so it does not travel along; a replay reads it where
// it lies.
func (it *item) consent(org events.OrgID) events.Message {
	m := it.parsed.Message
	return events.Message{
		EventID: events.NewEventID(it.raw.Provider, it.raw.Signer, events.KindConsent, m.ProviderID, string(org)),
		Receipt: it.raw.Receipt, Kind: events.KindConsent, Provider: it.raw.Provider,
		Org: org, Row: events.DeriveRowID(org, it.raw.Provider, m.ProviderID), ResolvedBy: tenantmap.ByConversation,
		ProviderID: m.ProviderID, Account: it.raw.Signer, Channel: m.Channel, Direction: m.Direction,
		From: m.From, To: m.To, Service: m.Service, Body: consent.Word(m.Body), OptOutType: m.OptOutType,
		Status: m.Status, OccurredAt: m.OccurredAt, ReceivedAt: it.raw.ReceivedAt, Raw: it.rec.Position(),
	}
}
