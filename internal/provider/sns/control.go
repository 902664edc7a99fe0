package sns

import (
	"waybill/internal/events"
	"waybill/internal/fault"
)

// Why a topic's word about its own subscription is ignored: it is about no
// organisation's resource.
const (
	IgnoredSubscribe   = "subscription_confirmation"
	IgnoredUnsubscribe = "unsubscribe_confirmation"
)

// reasonNotControl says that an envelope of another type was taken for a
// topic's word about its subscription.
const reasonNotControl = "not_a_confirmation"

// Control is what a topic says of its own subscription to Waybill.
type Control struct {
	EventID  events.EventID
	TopicARN string
	Ignored  string // one of the constants above
	// Confirm is the work that a SubscriptionConfirmation asks for. Nil of an
	// UnsubscribeConfirmation: who ended a subscription may have meant it, so
	// nobody takes it up again but an operator.
	Confirm *events.Confirmation
}

// ReadControl reads a kept request of kind [events.KindTopic], whichever
// provider's events its topic carries. An error is of class Invalid.
func ReadControl(raw *events.Raw) (Control, error) {
	m, err := Decode(raw.Body)
	if err != nil {
		return Control{}, err
	}
	c := Control{
		EventID:  events.NewEventID(raw.Provider, raw.Signer, events.KindTopic, m.ID),
		TopicARN: m.TopicARN,
	}
	switch m.Type {
	case SubscriptionConfirmation:
		c.Ignored = IgnoredSubscribe
		c.Confirm = &events.Confirmation{
			EventID: c.EventID, Provider: raw.Provider, TopicARN: m.TopicARN, Token: m.Token, ReceivedAt: raw.ReceivedAt,
		}
	case UnsubscribeConfirmation:
		c.Ignored = IgnoredUnsubscribe
	default:
		return c, fault.New(fault.Invalid, reasonNotControl)
	}
	return c, nil
}
