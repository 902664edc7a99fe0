package operate

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/tenantmap"
)

// Selection says which held events are meant, in a person's words. What is
// empty means all.
type Selection struct {
	IDs           []string
	State         string
	Key           string // a key's text, or the id behind it
	Org           string
	Reason        string
	Provider      string
	Since, Before time.Time // received from Since on, and earlier than Before
}

// providers of held events; senders' are send records.
var providers = []events.Provider{events.Twilio, events.SES, events.Connect, events.Stripe, events.Sender}

func (s *Selection) filter() (history.HeldFilter, error) {
	f := history.HeldFilter{
		IDs: s.IDs, State: events.Outcome(s.State), Reason: s.Reason, Provider: events.Provider(s.Provider), Since: s.Since, Before: s.Before,
	}
	switch f.State {
	case "", events.Parked, events.Quarantined, events.Dead:
	default:
		return f, usage("--state: want parked, quarantined or dead")
	}
	if s.Provider != "" && !slices.Contains(providers, f.Provider) {
		return f, usage("--provider: want twilio, ses, connect, stripe or sender")
	}
	if !s.Since.IsZero() && !s.Before.IsZero() && !s.Since.Before(s.Before) {
		return f, usage("--since is not earlier than --before: that is no event")
	}
	if s.Key != "" {
		f.Keys = KeysNaming(s.Key)
	}
	if s.Org != "" {
		org, err := parseOrg(s.Org)
		if err != nil {
			return f, err
		}
		f.Org = org
	}
	return f, nil
}

// Empty tells whether all held events are meant.
func (s *Selection) Empty() bool {
	return len(s.IDs) == 0 && s.State == "" && s.Key == "" && s.Org == "" && s.Reason == "" && s.Provider == "" && s.Since.IsZero() && s.Before.IsZero()
}

// said returns the selection as it is put on record.
func (s *Selection) said() map[string]any {
	said := map[string]any{}
	for name, value := range map[string]string{"state": s.State, "key": impersonal(s.Key), "org": s.Org, "reason": s.Reason, "provider": s.Provider} {
		if value != "" {
			said[name] = value
		}
	}
	for name, at := range map[string]time.Time{"since": s.Since, "before": s.Before} {
		if !at.IsZero() {
			said[name] = at.UTC()
		}
	}
	if len(s.IDs) > 0 {
		said["ids"] = len(s.IDs)
	}
	return said
}

// ofSystem are ids that no person has: those of providers' resources, UUIDs.
var ofSystem = regexp.MustCompile(`^([A-Z]{2}[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// impersonal returns a key as it may be kept: whole if it cannot be a person's
// number or address, else its kind alone.
func impersonal(key string) string {
	kind, value, ok := strings.Cut(key, "=")
	switch tenantmap.KeyKind(kind) {
	case tenantmap.KeyResource, tenantmap.KeyAccount, tenantmap.KeyEcho:
		_, id, _ := strings.Cut(value, ":")
		if ok && (ofSystem.MatchString(id) || ofSystem.MatchString(value)) {
			return key
		}
		return kind
	case tenantmap.KeySender, tenantmap.KeyConversation:
		return kind
	}
	if key == "" || ofSystem.MatchString(key) {
		return key
	}
	return "id"
}
