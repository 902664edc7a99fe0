package postgres

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/history"
	"waybill/internal/postgres/dbq"
	"waybill/internal/tenantmap"
)

func resourceOf(r dbq.ResourceByRowRow) (history.Resource, error) {
	var told facts.Known
	if err := json.Unmarshal(r.Facts, &told); err != nil {
		return history.Resource{}, fmt.Errorf("reading facts: %w", err)
	}
	shown := make(map[string]any, len(told))
	for name, m := range told {
		shown[name] = factOf(m)
	}
	return history.Resource{
		Kind: r.Kind, ID: r.ID, ProviderID: deref(r.ProviderID), Status: r.Status, ErrorCode: r.ErrorCode,
		Org: events.OrgID(r.OrgID), Provider: events.Provider(r.Provider), MessageID: deref(r.MessageID), Account: r.Account,
		Channel: events.Channel(r.Channel), Direction: events.Direction(r.Direction), Origin: r.Origin,
		From: r.FromAddress, To: r.ToAddress, Service: r.Service,
		CampaignID: deref(r.CampaignID), CustomerID: deref(r.CustomerID), Version: r.Version,
		SentAt: utc(r.SentAt), OccurredAt: utc(r.OccurredAt), ReceivedAt: r.ReceivedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), Facts: shown,
	}, nil
}

// factOf returns what is shown of a fact: its value if it has one, else how
// often and when.
func factOf(m facts.Merged) any {
	if m.Value == "" {
		return history.Tally{Count: m.Count, First: utc(m.First), Last: utc(m.Last)}
	}
	if n, err := strconv.ParseInt(m.Value, 10, 64); err == nil {
		return n
	}
	return m.Value
}

func recipientsOf(rows []dbq.RecipientsOfRow) []history.Recipient {
	all := make([]history.Recipient, len(rows))
	for i, r := range rows {
		all[i] = history.Recipient{ID: r.ID, Address: r.Address, Status: r.Status, ErrorCode: r.ErrorCode}
	}
	return all
}

func recordingsOf(rows []dbq.RecordingsOfRow) []history.Recording {
	all := make([]history.Recording, len(rows))
	for i, r := range rows {
		all[i] = history.Recording{
			ProviderID: r.ProviderID, Status: r.Status, ErrorCode: r.ErrorCode, Duration: r.DurationSeconds, Channels: int(r.Channels),
			Source: r.Source, Track: r.Track, Location: r.Location, StartedAt: utc(r.StartedAt),
		}
	}
	return all
}

// keysOfResource returns the keys under which events of a row may be held.
func keysOfResource(r dbq.ResourceByRowRow) []string {
	keys := []string{tenantmap.EchoKey(r.ID).String()}
	if id := deref(r.MessageID); id != "" && id != r.ID {
		keys = append(keys, tenantmap.EchoKey(id).String())
	}
	if id := deref(r.ProviderID); id != "" {
		keys = append(keys, tenantmap.ResourceKey(events.Provider(r.Provider), id).String())
	}
	return keys
}

func timelineEvent(r dbq.TimelineOfRowRow) (history.Event, error) {
	e := history.Event{
		ID: events.EventID(r.EventID), Provider: events.Provider(r.Provider), Type: r.Kind, ReceivedAt: r.ReceivedAt.UTC(),
		OccurredAt: utc(r.OccurredAt), Outcome: events.Outcome(r.Outcome), Reason: r.Reason, Status: r.EventStatus, ErrorCode: r.EventError,
		ResolvedBy: r.ResolvedBy, Receipt: events.ReceiptID(r.ReceiptID), AppliedAt: utc(&r.AppliedAt), Resource: r.RowID,
		Kafka:     &events.Position{Topic: r.RawTopic, Partition: int(r.RawPartition), Offset: r.RawOffset},
		RowStatus: deref(r.Status), RowErrorCode: deref(r.ErrorCode), Sequence: r.Sequence,
	}
	if r.Version != nil {
		e.Version = *r.Version
	}
	if r.Detail != nil {
		if err := json.Unmarshal(r.Detail, &e.RowRecipients); err != nil {
			return e, fmt.Errorf("reading recipients: %w", err)
		}
	}
	e.VerifiedAs = history.SignerOf(e.ID, e.Provider, e.Type)
	return e, nil
}

func billingResource(r dbq.BillingObjectsRow) history.Resource {
	newest := r.Newest.UTC()
	return history.Resource{
		Kind: r.Kind, ID: r.ID, ProviderID: r.ID, Status: r.Status, Provider: events.Stripe, Mode: r.Mode,
		Account: r.Customer, Version: r.Version, OccurredAt: &newest, ReceivedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

func billingEvent(r dbq.BillingEventsRow) history.Event {
	created := r.Created.UTC()
	return history.Event{
		ID: events.EventID(r.EventID), Provider: events.Stripe, Type: r.Type, ReceivedAt: r.ReceivedAt.UTC(), OccurredAt: &created,
		Outcome: events.Outcome(r.Outcome), Status: r.Status, VerifiedAs: r.Mode, Receipt: events.ReceiptID(r.ReceiptID),
		AppliedAt: utc(&r.AppliedAt), Resource: r.ObjectID,
		Kafka: &events.Position{Topic: r.RawTopic, Partition: int(r.RawPartition), Offset: r.RawOffset},
	}
}

// reasonNoRow is shown for an event that was settled without touching a row.
const reasonNoRow = "no_row"

// settled returns an event of which only the outcome is on record.
func settled(r dbq.EventID) history.Event {
	e := history.Event{
		ID: events.EventID(r.EventID), Outcome: events.Outcome(r.Outcome), Reason: reasonNoRow,
		Receipt: events.ReceiptID(r.ReceiptID), ReceivedAt: r.AppliedAt.UTC(), AppliedAt: utc(&r.AppliedAt),
	}
	if at, ok := events.ReceiptTime(e.Receipt); ok {
		e.ReceivedAt = at
	}
	provider, _, _ := strings.Cut(r.EventID, "/")
	e.Provider = events.Provider(provider)
	for _, kind := range events.Kinds() {
		if signer := history.SignerOf(e.ID, e.Provider, string(kind)); signer != "" {
			e.Type, e.VerifiedAs = string(kind), signer
		}
	}
	return e
}

func heldOf(rows []dbq.ListHeldRow) []history.Held {
	all := make([]history.Held, 0, len(rows))
	for _, r := range rows {
		h := history.Held{
			ID: events.EventID(r.EventID), State: events.Outcome(r.State), Reason: r.Reason, Detail: r.Detail, Key: r.NamedKey,
			ReceivedAt: r.ReceivedAt.UTC(), Provider: events.Provider(r.Provider), Kind: r.Kind, Signer: r.Signer, Keys: r.Keys,
			Ready: r.Ready, Attempts: int(r.Attempts), HeldAt: r.HeldAt.UTC(), RetryAt: utc(r.RetryAt), Receipt: events.ReceiptID(r.ReceiptID),
			Kafka: events.Position{Topic: r.RawTopic, Partition: int(r.RawPartition), Offset: r.RawOffset},
		}
		if h.Provider == events.Sender && r.Signer != "" { // a send record names its organisation
			org := events.OrgID(r.Signer)
			h.Org, h.Signer = &org, "" // claimed, not verified
		}
		if h.Key == "" && len(r.Keys) > 0 {
			h.Key = r.Keys[0]
		}
		all = append(all, h)
	}
	return all
}
