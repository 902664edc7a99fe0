package ses

import (
	"encoding/json"
	"slices"
	"strings"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// tagEcho is the tag in which a sender may put our own message id. Tags come
// back in event publishing alone.
const tagEcho = "waybill_message_id"

// evidence returns what a message tells about whose it is: its id, our own one
// where the sender put it into a tag, and the identities that it may have been
// sent from. Its time is when it was sent: an identity that changed hands since
// was somebody else's then.
func evidence(n *Notification, b *body, m *events.Message) tenantmap.Evidence {
	e := tenantmap.Evidence{Provider: events.SES, Signer: n.TopicARN, ProviderID: m.ProviderID, At: n.ReceivedAt}
	if at, ok := moment(b.Mail.Timestamp); ok && at != nil && at.Before(n.ReceivedAt) {
		e.At = *at
	}
	if m.ProviderID != "" {
		e.Resources = append(e.Resources, tenantmap.ResourceKey(events.SES, m.ProviderID))
	}
	if echo := b.echoed(); echo != "" {
		e.Resources = append(e.Resources, tenantmap.EchoKey(echo))
	}
	for _, s := range b.senders(m.From) {
		e.Senders = append(e.Senders, tenantmap.SenderKey(s))
	}
	return e
}

// echoed returns our own message id, "" if there is none, or several.
func (b *body) echoed() string {
	var tags map[string]json.RawMessage
	var values []string
	if json.Unmarshal(b.Mail.Tags, &tags) != nil || json.Unmarshal(tags[tagEcho], &values) != nil || len(values) != 1 {
		return ""
	}
	id, err := events.ParseUUID(values[0])
	if err != nil {
		return ""
	}
	return id
}

// senders returns the spellings under which the sender may be registered: the
// identity that SES names, and the address and domain that it was sent from.
// They are on record in lower case; those that were entered before that may
// stand there as they are written.
func (b *body) senders(from string) []string {
	identity, lower := events.Text(b.identity()), tenantmap.NormaliseIdentity(from)
	spellings := []string{identity, tenantmap.NormaliseIdentity(identity), from, lower, lower[strings.LastIndexByte(lower, '@')+1:]}
	spellings = slices.DeleteFunc(spellings, func(s string) bool { return s == "" || len(s) > maxAddress })
	slices.Sort(spellings)
	return slices.Compact(spellings)
}
