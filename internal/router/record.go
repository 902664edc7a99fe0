package router

import (
	"context"
	"strings"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/tenantmap"
)

// sent is one send record on its way into the map.
type sent struct {
	rec  *events.Record
	send events.Send
	tenantmap.Entry
	outcome events.Outcome // "" = recorded
}

// record enters a batch of send records in the tenant map, sets held events
// ready, and passes the sends on to the rows that they are about. The map
// comes first: a crash behind it repeats the batch, which changes nothing.
func (r *Router) record(ctx context.Context, records []events.Record) error {
	sends := make([]sent, len(records))
	for i := range records {
		sends[i] = r.decode(&records[i])
	}
	if err := r.enter(ctx, sends); err != nil {
		return err
	}
	var held []tenantmap.Held
	var out []events.Record
	for i := range sends {
		s := &sends[i]
		if s.outcome != "" {
			held = append(held, s.held())
			continue
		}
		rec, err := s.resolved()
		if err != nil {
			return err
		}
		out = append(out, rec)
	}
	if err := r.Store.Hold(ctx, held); err != nil {
		return err
	}
	for i := range sends {
		r.observeSend(&sends[i])
	}
	told, err := r.remind(ctx, sends)
	if err != nil {
		return err
	}
	return r.passOn(ctx, append(out, told...))
}

func (r *Router) decode(rec *events.Record) sent {
	s := sent{rec: rec}
	var err error
	if s.send, err = events.DecodeSend(rec); err != nil {
		s.outcome, s.Reason = events.Dead, fault.ReasonOf(err)
	}
	return s
}

func (r *Router) enter(ctx context.Context, sends []sent) error {
	entries := make([]tenantmap.Send, 0, len(sends))
	at := make([]int, 0, len(sends))
	for i := range sends {
		if sends[i].outcome == "" {
			entries = append(entries, entry(&sends[i].send))
			at = append(at, i)
		}
	}
	results, ready, err := r.Store.RecordSends(ctx, entries)
	if err != nil {
		return err
	}
	r.wake(ready)
	for i := range entries {
		r.cache.Forget(entries[i].Keys()...)
	}
	for j, e := range results {
		s := &sends[at[j]]
		s.Entry = e
		switch e.Reason {
		case "":
		case tenantmap.ReasonTaken, tenantmap.ReasonOtherID:
			s.outcome = events.Quarantined
		default:
			s.outcome = events.Dead
		}
	}
	return nil
}

// wake starts a release at once if there is something to release.
func (r *Router) wake(ready int64) {
	if ready > 0 {
		select {
		case r.kick <- struct{}{}:
		default:
		}
	}
}

func entry(s *events.Send) tenantmap.Send {
	e := tenantmap.Send{Org: s.Org, Provider: s.Provider, ProviderID: s.ProviderID, MessageID: s.MessageID, Account: s.Account}
	if s.ProviderID != "" {
		e.Resource = tenantmap.ResourceKey(s.Provider, s.ProviderID)
	}
	if s.MessageID != "" {
		e.Echo = tenantmap.EchoKey(s.MessageID)
	}
	// Without a time of its own a send counts as made when it was recorded.
	e.SentAt = events.Millis(s.ReceivedAt)
	if s.SentAt != nil {
		e.SentAt = events.Millis(*s.SentAt)
	}
	e.Sender, e.Person = conversation(s)
	return e
}

// conversation returns between whom a send is, empty if nothing went out that
// a person could answer.
func conversation(s *events.Send) (sender, person string) {
	if s.Channel == events.Email || s.Status == "failed" || s.Status == "canceled" {
		return "", ""
	}
	return address(s.From, s.Channel), address(s.To, s.Channel)
}

// address returns an address as callbacks of the channel write it. Senders may
// leave out the prefix of WhatsApp, which the channel implies.
func address(value string, c events.Channel) string {
	value = tenantmap.NormaliseSender(value)
	if c == events.WhatsApp && strings.HasPrefix(value, "+") {
		value = tenantmap.NormaliseSender("whatsapp:" + value)
	}
	return value
}

// resolved returns the send as an event of the message or call that it is about.
func (s *sent) resolved() (events.Record, error) {
	if s.send.Channel == events.Voice {
		c := s.call()
		return c.Record()
	}
	m := s.message()
	return m.Record()
}

func (s *sent) call() events.Call {
	return events.Call{
		EventID: s.send.ID(), Receipt: s.send.Receipt, Kind: events.KindSend, Provider: s.send.Provider,
		Org: s.send.Org, Row: s.Row, ResolvedBy: "send",
		ProviderID: s.send.ProviderID, MessageID: s.send.MessageID, Account: s.send.Account,
		Direction: events.Outbound, From: s.send.From, To: s.send.To,
		CampaignID: s.send.CampaignID, CustomerID: s.send.CustomerID,
		Status: s.send.Status, ErrorCode: s.send.ErrorCode, SentAt: s.send.SentAt, ReceivedAt: s.send.ReceivedAt,
		Raw: s.rec.Position(), Packed: events.PackReceived(s.rec, s.send.Receipt, s.send.ReceivedAt),
	}
}

func (s *sent) message() events.Message {
	return events.Message{
		EventID: s.send.ID(), Receipt: s.send.Receipt, Kind: events.KindSend, Provider: s.send.Provider,
		Org: s.send.Org, Row: s.Row, ResolvedBy: "send",
		ProviderID: s.send.ProviderID, MessageID: s.send.MessageID, Account: s.send.Account,
		Channel: s.send.Channel, Direction: events.Outbound, From: s.send.From, To: s.send.To,
		CampaignID: s.send.CampaignID, CustomerID: s.send.CustomerID,
		Status: s.send.Status, ErrorCode: s.send.ErrorCode, SentAt: s.send.SentAt, ReceivedAt: s.send.ReceivedAt,
		Raw: s.rec.Position(), Packed: events.PackReceived(s.rec, s.send.Receipt, s.send.ReceivedAt),
	}
}

func (s *sent) held() tenantmap.Held {
	if s.send.Org == "" { // it could not be read
		return unreadable(s.rec, s.Reason)
	}
	h := tenantmap.Held{
		EventID: s.send.ID(), Receipt: s.send.Receipt, State: s.outcome, Reason: s.Reason,
		Provider: events.Sender, Kind: events.KindSend, Signer: string(s.send.Org),
		ReceivedAt: s.send.ReceivedAt, Raw: s.rec.Position(), Record: events.PackReceived(s.rec, s.send.Receipt, s.send.ReceivedAt),
	}
	e := entry(&s.send)
	h.Named = e.Keys()[0].String() // it has one of the two ids
	return h
}

func (r *Router) observeSend(s *sent) {
	r.metrics.decided(events.Sender, s.outcome, s.Reason)
	if s.outcome != "" {
		r.Log.Warn("send record held", "receipt_id", s.send.Receipt, "org_id", s.send.Org, "outcome", s.outcome, "reason", s.Reason,
			"topic", s.rec.Topic, "partition", s.rec.Partition, "offset", s.rec.Offset)
	}
}
