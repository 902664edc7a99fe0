package connect

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/tenantmap"
)

// Bounds of what goes on to the domain topics and the database, in bytes.
const (
	maxToken    = 64   // of an id or an enum
	maxAddress  = 320  // of an endpoint: it becomes an index key
	maxLocation = 1152 // of a bucket, a slash and a key: S3 allows 63 and 1024
)

// decode reads a JSON object into v, case-blind. A field of another type than
// expected is left as it is: AWS changes types, and a field that is needed has a
// check of its own.
func decode(body []byte, v any) bool {
	err := json.Unmarshal(body, v)
	var unexpected *json.UnmarshalTypeError
	return err == nil || errors.As(err, &unexpected) && unexpected.Field != ""
}

// reader checks values and remembers the first thing that is wrong.
type reader struct{ err error }

// check notes a reason unless ok, and returns ok.
func (r *reader) check(ok bool, reason string) bool {
	if !ok && r.err == nil {
		r.err = fault.New(fault.Invalid, reason)
	}
	return ok
}

// id returns s if it is an id, or else notes the reason.
func (r *reader) id(s, reason string) string {
	if !r.check(isToken(s), reason) {
		return ""
	}
	return s
}

// address returns what an endpoint is reached by, made storable.
func (r *reader) address(s string) string {
	if !r.check(len(s) <= maxAddress, invalidAddress) {
		return ""
	}
	return strings.TrimSpace(events.Text(s))
}

// time returns a time, nil if there is none.
func (r *reader) time(s string) *time.Time {
	t, ok := timeOf(s)
	r.check(ok, invalidTime)
	return t
}

// instance compares the instance that is named with the one verified. A text
// that names none is passed over; one of them must name one.
func (r *reader) instance(signer string, named ...string) {
	found := false
	for _, n := range named {
		id := lastPart(n)
		if id == "" {
			continue
		}
		found = true
		if !strings.EqualFold(id, lastPart(signer)) && r.err == nil {
			r.err = fault.New(fault.Forbidden, invalidInstance)
		}
	}
	r.check(found, invalidUnnamed)
}

// lastPart returns what stands behind the last slash of an ARN: an instance's
// ARN is spelled in more than one way, its id in one.
func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// notYet is the time by which Amazon Connect says that something did not happen
// yet, in unix milliseconds.
const notYet = 1

// timeOf reads a time. Absent, and not yet, is nil; false is none.
func timeOf(s string) (*time.Time, bool) {
	if s == "" {
		return nil, true
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return nil, false
	}
	if t = t.UTC(); t.Year() > 9999 { // could not be written again
		return nil, false
	}
	if t.UnixMilli() <= notYet {
		return nil, true
	}
	return &t, true
}

// enum returns an enum in upper case, "" for anything that is none.
func enum(s string) string {
	if !isToken(s) {
		return ""
	}
	return strings.ToUpper(s)
}

// isToken tells whether s is 1 to maxToken letters, digits, hyphens and
// underscores: an id, the last part of an ARN, an enum.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= maxToken
}

// contact is what events and records say of their contact alike.
type contact struct {
	id, initial, previous, next string
	channel, method             string
	customer, system            string     // addresses
	initiated, toSystem, ended  *time.Time // nil: not known, or not yet
	told                        *time.Time // when the event happened or the record was written
}

// parsed returns what is known of a contact as a call, without its id, status
// and facts, and the evidence whose it is.
func (c *contact) parsed(raw *events.Raw) provider.Parsed {
	call := events.Call{
		Kind: raw.Kind, Provider: events.Connect, ProviderID: c.id, ParentID: c.parent(), Account: raw.Signer,
		Direction: direction(c.method, c.channel), OccurredAt: c.told, ReceivedAt: raw.ReceivedAt,
	}
	switch call.Direction {
	case events.Inbound:
		call.From, call.To = c.customer, c.system
	case events.Outbound:
		call.From, call.To = c.system, c.customer
	}
	return provider.Parsed{Call: &call, Evidence: c.evidence(raw)}
}

// evidence returns what a contact tells about whose it is. Its sender is looked
// up as of when the contact began: a number that changed hands meanwhile took
// no contact with it.
func (c *contact) evidence(raw *events.Raw) tenantmap.Evidence {
	e := tenantmap.Evidence{
		Provider: events.Connect, Signer: raw.Signer, ProviderID: c.id,
		Person: tenantmap.NormaliseSender(c.customer), At: raw.ReceivedAt,
	}
	for _, at := range []*time.Time{c.initiated, c.told} {
		if at != nil {
			e.At = *at
			break
		}
	}
	if c.id != "" {
		e.Resources = []tenantmap.Key{tenantmap.ResourceKey(events.Connect, c.id)}
	}
	if parent := c.parent(); parent != "" {
		e.Parents = []tenantmap.Key{tenantmap.ResourceKey(events.Connect, parent)}
	}
	if c.system != "" {
		e.Senders = []tenantmap.Key{tenantmap.SenderKey(c.system)}
	}
	return e
}

// parent returns the contact that this one came out of: the one before it, or
// the first of its chain; "" if it is the first itself.
func (c *contact) parent() string {
	for _, id := range []string{c.previous, c.initial} {
		if id != c.id && isToken(id) {
			return id
		}
	}
	return ""
}

// direction returns who began a contact, "" if that is not known. A contact
// that was handed on is inbound to whom it was handed to.
func direction(method, channel string) events.Direction {
	switch method {
	case "OUTBOUND", "EXTERNAL_OUTBOUND", "CALLBACK", "AGENT_REPLY", "CAMPAIGN_PREVIEW":
		return events.Outbound
	case "INBOUND", "TRANSFER", "QUEUE_TRANSFER", "DISCONNECT", "WEBRTC_API", "FLOW":
		return events.Inbound
	case "API": // a call is made by it; a chat or task is begun by the customer
		if channel == "VOICE" {
			return events.Outbound
		}
		return events.Inbound
	}
	return ""
}
