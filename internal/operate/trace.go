package operate

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/messaging"
	"waybill/internal/tenantmap"
	"waybill/internal/voice"
)

// Finder looks up what is on record about an id.
type Finder interface {
	Find(ctx context.Context, q history.Query) (history.Found, error)
}

// Story is everything on record about an id. Its JSON names are promises.
type Story struct {
	Found        bool               `json:"found"`
	Org          *events.OrgID      `json:"org_id"`   // of the resource; null if global or not known
	Resource     *history.Resource  `json:"resource"` // the newest of several
	Events       []history.Event    `json:"events"`   // oldest first, held ones included
	StatusEvents []events.Status    `json:"status_events"`
	Resources    []history.Resource `json:"resources,omitempty"` // only when the id stands for several
	Consents     []history.Decision `json:"consents,omitempty"`  // of an address
	More         bool               `json:"more,omitempty"`      // older resources or events were left out
}

// Bounds of a story: enough for a person to read, few enough to look up at once.
const (
	maxResources = 20
	maxEvents    = 500 // of each resource
	maxHeld      = 200
)

// Trace returns the story of any id: a provider's, an event's, a message's, a
// campaign's, a phone number. An org narrows. Found is false when nothing is
// on record.
func Trace(ctx context.Context, f Finder, id, orgID string) (Story, error) {
	q, err := query(id, orgID)
	if err != nil {
		return Story{}, err
	}
	found, err := f.Find(ctx, q)
	if err != nil {
		return Story{}, err
	}
	return tell(&found), nil
}

func query(id, orgID string) (history.Query, error) {
	q := history.Query{ID: strings.TrimSpace(id), Resources: maxResources, Events: maxEvents, Held: maxHeld}
	if q.ID == "" || len(q.ID) > 1024 || strings.IndexByte(q.ID, 0) >= 0 {
		return q, usage("give the id to trace: a message SID, an event id, a phone number, a campaign id ...")
	}
	if orgID != "" {
		org, err := parseOrg(orgID)
		if err != nil {
			return q, err
		}
		q.Org = org
	}
	if id, err := events.ParseUUID(q.ID); err == nil {
		q.ID, q.UUID = id, id
	}
	q.Keys = KeysNaming(q.ID)
	q.Addresses = addresses(q.ID)
	return q, nil
}

// KeysNaming returns the texts of the keys that a person may mean by an id, or
// by a key's own text.
func KeysNaming(id string) []string {
	keys := []string{id, tenantmap.EchoKey(id).String(), tenantmap.SenderKey(id).String()}
	for _, p := range []events.Provider{events.Twilio, events.SES, events.Connect, events.Stripe} {
		keys = append(keys, tenantmap.ResourceKey(p, id).String())
	}
	return keys
}

// addresses returns the spellings under which rows hold an address, nothing
// for what cannot be one: looking for addresses is slow.
func addresses(id string) []string {
	value := tenantmap.NormaliseSender(id)
	switch {
	case strings.HasPrefix(value, "+"):
		return append(tenantmap.Spellings(value), tenantmap.Spellings("whatsapp:"+value)...)
	case strings.HasPrefix(value, "whatsapp:"):
		return tenantmap.Spellings(value)
	case strings.Contains(value, "@"):
		return []string{value, strings.ToLower(value)}
	case len(value) <= 8 && strings.Trim(value, "0123456789") == "":
		return []string{value}
	}
	return nil
}

// tell arranges what was found.
func tell(found *history.Found) Story {
	s := Story{
		Found:  len(found.Resources)+len(found.Events)+len(found.Held)+len(found.Consents) > 0,
		Events: found.Events, Consents: found.Consents, StatusEvents: []events.Status{}, More: found.More,
	}
	if s.Events == nil {
		s.Events = []history.Event{}
	}
	slices.SortStableFunc(s.Events, func(a, b history.Event) int {
		return cmp.Or(a.ReceivedAt.Compare(b.ReceivedAt), cmp.Compare(a.Version, b.Version), cmp.Compare(a.ID, b.ID))
	})
	slices.SortStableFunc(found.Resources, func(a, b history.Resource) int {
		return cmp.Or(b.ReceivedAt.Compare(a.ReceivedAt), cmp.Compare(a.ID, b.ID))
	})
	for i := range found.Resources {
		r := &found.Resources[i]
		r.ErrorClass = errorClass(r.Kind, r.ErrorCode)
	}
	if len(found.Resources) > 0 {
		s.Resource = &found.Resources[0]
		if s.Resource.Org != "" {
			s.Org = &s.Resource.Org
		}
	}
	if found.Many || len(found.Resources) > 1 {
		s.Resources = found.Resources
	}
	s.StatusEvents = statusEvents(found.Resources, s.Events)
	return s
}

// statusEvents builds the status events of messages and calls anew from their accepted
// transitions, by message and version.
func statusEvents(resources []history.Resource, timeline []history.Event) []events.Status {
	out := []events.Status{}
	for i := range resources {
		r := &resources[i]
		if r.Provider == events.Stripe { // nobody is told of those
			continue
		}
		first := len(out)
		for j := range timeline {
			if e := &timeline[j]; e.Version > 0 && e.Resource == r.ID {
				out = append(out, statusEvent(r, e))
			}
		}
		slices.SortFunc(out[first:], func(a, b events.Status) int { return cmp.Compare(a.Version, b.Version) })
	}
	return out
}

func statusEvent(r *history.Resource, e *history.Event) events.Status {
	return events.Status{
		Org: r.Org, ID: events.RowID(r.ID), MessageID: r.MessageID, ProviderID: r.ProviderID, Channel: r.Channel,
		CampaignID: r.CampaignID, CustomerID: r.CustomerID,
		Status: e.RowStatus, ErrorCode: e.RowErrorCode, ErrorClass: errorClass(r.Kind, e.RowErrorCode), Recipients: e.RowRecipients,
		Version: e.Version, OccurredAt: e.OccurredAt, ReceivedAt: e.ReceivedAt,
	}
}

// errorClass asks the rules of the channel.
func errorClass(kind, code string) string {
	switch kind {
	case history.SMSMessage:
		return messaging.ErrorClass(code)
	case history.EmailMessage:
		return email.ErrorClass(code)
	case history.Call:
		return voice.ErrorClass(code)
	}
	return ""
}
