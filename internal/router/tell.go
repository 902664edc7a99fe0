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
// be counted, and nobody is told again: a request that is captured and sent
// again carries no clock, and must not overrule what was asked since.
func (r *Router) tell(ctx context.Context, items []item) ([]events.Record, error) {
	var asked []*item
	var ids []events.EventID
	for i := range items {
		it := &items[i]
		if it.Outcome != "" || it.parsed.Message == nil {
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
	var requests []tenantmap.Request
	for _, it := range asked {
		if receipt, ok := finals[it.id]; !ok || receipt == it.raw.Receipt {
			requests = append(requests, it.request())
		}
	}
	if len(requests) == 0 {
		return nil, nil
	}
	concerned, err := r.Store.Ask(ctx, requests)
	if err != nil {
		return nil, err
	}
	var told []events.Message
	for i, orgs := range concerned {
		for _, org := range orgs {
			told = append(told, addressed(&requests[i].Event, org))
		}
	}
	return r.consents(told)
}

// remind returns the consent events of a batch of sends: what a person asked of
// a shared sender before the send was recorded concerns its organisation too.
// It is the same event each time, so the workers take it once.
func (r *Router) remind(ctx context.Context, sends []sent) ([]events.Record, error) {
	var asked []*sent
	var signers []tenantmap.Key
	for i := range sends {
		if s := &sends[i]; s.Asked != nil && s.Asked.Org != s.send.Org {
			asked, signers = append(asked, s), append(signers, tenantmap.AccountKey(s.Asked.Provider, s.Asked.Account))
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	facts, err := r.Store.Lookup(ctx, signers)
	if err != nil {
		return nil, err
	}
	var told []events.Message
	for i, s := range asked {
		if facts.Accounts[signers[i]].Entitled(s.send.Org, s.Asked.ReceivedAt) {
			told = append(told, addressed(s.Asked, s.send.Org))
		}
	}
	return r.consents(told)
}

func (r *Router) consents(told []events.Message) ([]events.Record, error) {
	out := make([]events.Record, len(told))
	for i := range told {
		rec, err := told[i].Record()
		if err != nil {
			return nil, err
		}
		out[i] = rec
	}
	r.metrics.consents.Add(float64(len(out)))
	return out, nil
}

// request returns what others are told of a message that answers one: what was
// asked, by whom, and of which sender. The raw record holds what the person
// wrote to the one, so it does not travel along; a replay reads it where it lies.
func (it *item) request() tenantmap.Request {
	m := it.parsed.Message
	optedOut, _ := consent.Asked(m)
	return tenantmap.Request{Evidence: it.parsed.Evidence, OptedOut: optedOut, Event: events.Message{
		EventID: it.id, Receipt: it.raw.Receipt, Kind: events.KindConsent, Provider: it.raw.Provider,
		Org: it.Org, Row: it.Row, ResolvedBy: tenantmap.ByConversation,
		ProviderID: m.ProviderID, Account: it.raw.Signer, Channel: m.Channel, Direction: m.Direction,
		From: m.From, To: m.To, Service: m.Service, Body: consent.Word(m.Body), OptOutType: m.OptOutType,
		Status: m.Status, OccurredAt: m.OccurredAt, ReceivedAt: it.raw.ReceivedAt, Raw: it.rec.Position(),
	}}
}

// addressed returns a request as an organisation is told of it.
func addressed(asked *events.Message, org events.OrgID) events.Message {
	m := *asked
	m.EventID = events.NewEventID(m.Provider, m.Account, events.KindConsent, m.ProviderID, string(org))
	m.Org, m.Row = org, events.DeriveRowID(org, m.Provider, m.ProviderID)
	return m
}
