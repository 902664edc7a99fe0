package ses

import (
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/sns"
	"waybill/internal/tenantmap"
)

var _ provider.Parser = Parser{}

// Reasons for which a kept request is not even asked what SES says in it.
const (
	invalidKind     = "unknown_kind"
	invalidEnvelope = "bad_envelope" // not an SNS notification
)

// ForbiddenTopic is the reason of an envelope that is of another topic than the
// one verified.
const ForbiddenTopic = "topic_mismatch"

// Parser reads what was kept of SES's events and of what their topics say of
// themselves. The signer is the topic's ARN. It is safe for concurrent use.
type Parser struct{}

// Provider implements [provider.Parser].
func (Parser) Provider() events.Provider { return events.SES }

// Ignores implements [provider.Parser].
func (Parser) Ignores() []string {
	return []string{IgnoredSetUp, IgnoredInbound, sns.IgnoredSubscribe, sns.IgnoredUnsubscribe}
}

// Parse implements [provider.Parser]. An envelope of another topic than the
// verified one is an error of class Forbidden.
func (Parser) Parse(raw *events.Raw) (provider.Parsed, error) {
	switch raw.Kind {
	case events.KindEmail:
		return parseEvent(raw)
	case events.KindTopic:
		return parseControl(raw)
	default:
		return provider.Parsed{}, fault.New(fault.Invalid, invalidKind)
	}
}

func parseEvent(raw *events.Raw) (provider.Parsed, error) {
	m, err := sns.Decode(raw.Body)
	if err != nil || m.Type != sns.Notification {
		return provider.Parsed{}, fault.New(fault.Invalid, invalidEnvelope)
	}
	if m.TopicARN != raw.Signer {
		return provider.Parsed{EventID: events.NewEventID(events.SES, raw.Signer, raw.Kind, m.ID)}, fault.New(fault.Forbidden, ForbiddenTopic)
	}
	p, ignored, err := Parse(&Notification{
		TopicARN: m.TopicARN, MessageID: m.ID, Timestamp: m.At, Message: m.Body, ReceivedAt: raw.ReceivedAt,
	})
	p.Ignored = ignored
	return p, err
}

func parseControl(raw *events.Raw) (provider.Parsed, error) {
	c, err := sns.ReadControl(raw)
	if err == nil && c.TopicARN != raw.Signer {
		err = fault.New(fault.Forbidden, ForbiddenTopic)
	}
	if err != nil {
		return provider.Parsed{EventID: c.EventID}, err
	}
	e := tenantmap.Evidence{Provider: events.SES, Signer: raw.Signer, ProviderID: c.TopicARN, At: raw.ReceivedAt}
	return provider.Parsed{EventID: c.EventID, Evidence: e, Ignored: c.Ignored, Confirm: c.Confirm}, nil
}
