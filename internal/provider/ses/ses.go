// Package ses reads what Amazon SES says of e-mails: the text inside an SNS
// notification whose envelope and signature were checked before. SES writes in
// two formats, event publishing (eventType) and feedback of an identity
// (notificationType); what they have in common means the same in both.
//
// The package promises that an event's status holds for the recipients that it
// names and for nobody else, that a word of SES's that nobody here knows is kept,
// and that nothing of headers is needed, which SES truncates. It never does I/O,
// and no value of a message gets into an error.
package ses

import (
	"encoding/json"
	"strings"
	"time"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
)

// Notification is what SNS delivered, as far as it was signed.
type Notification struct {
	TopicARN   string    // whose signature it was
	MessageID  string    // SNS's: the same for every delivery of one message
	Timestamp  time.Time // when SNS was given the message; zero if not known
	Message    string    // what SES wrote
	ReceivedAt time.Time
}

// Reasons for which a signed message is unusable.
const (
	invalidJSON       = "undecodable"
	invalidEvent      = "not_an_event" // names no type, or two
	invalidType       = "unknown_event_type"
	invalidID         = "bad_message_id"
	invalidDetail     = "missing_detail" // the object that the type is named after is not there
	invalidBounce     = "unknown_bounce_type"
	invalidRecipients = "missing_recipients" // nobody can tell whom it is about
	invalidNumber     = "too_many_recipients"
	invalidAddress    = "oversized_address"
	invalidTime       = "bad_timestamp"
)

// Invalid returns the closed set of reasons for which [Parse] fails.
func Invalid() []string {
	return []string{
		invalidJSON, invalidEvent, invalidType, invalidID, invalidDetail, invalidBounce, invalidRecipients, invalidNumber,
		invalidAddress, invalidTime,
	}
}

// Reasons for which a message is ignored: it is none about an e-mail of ours.
const (
	IgnoredSetUp   = "set_up"       // SES tried the topic when it was chosen
	IgnoredInbound = "inbound_mail" // SES received an e-mail for somebody
)

// setUp is how the text begins that SES publishes when a topic is chosen for
// event publishing; it is not JSON.
const setUp = "Successfully validated SNS topic for Amazon SES"

// ignored are the types of messages about no e-mail that was sent.
var ignored = map[string]string{
	"AmazonSnsSubscriptionSucceeded": IgnoredSetUp, // a topic was chosen for feedback
	"Received":                       IgnoredInbound,
}

// Parse returns what a notification says: an event of a message, or why it is
// ignored, or an error of class Invalid with one of the reasons of [Invalid].
// The event id is always set; beside an error, evidence is as far as it could be
// read. It is safe for concurrent use.
func Parse(n *Notification) (p provider.Parsed, ignore string, err error) {
	p.EventID = events.NewEventID(events.SES, n.TopicARN, events.KindEmail, n.MessageID)
	p.Evidence.Provider, p.Evidence.Signer, p.Evidence.At = events.SES, n.TopicARN, n.ReceivedAt
	text := strings.TrimSpace(n.Message) // event publishing ends its texts with a line feed
	if strings.HasPrefix(text, setUp) {
		return p, IgnoredSetUp, nil
	}
	var b body
	// A member of the wrong type does not keep the rest from being read: the id
	// is wanted for the dead letter.
	decoded := json.Unmarshal([]byte(text), &b)
	name := b.name()
	if ignored[name] != "" {
		return p, ignored[name], nil
	}
	m := message(n, &b)
	p.Evidence = evidence(n, &b, &m)
	problem := invalidJSON // the cause may quote the message
	if decoded == nil {
		problem = b.tell(name, n, &m)
	}
	if problem != "" {
		return p, "", fault.New(fault.Invalid, problem)
	}
	p.Message = &m
	return p, "", nil
}

// message is what all events say of their e-mail.
func message(n *Notification, b *body) events.Message {
	m := events.Message{
		Kind: events.KindEmail, Provider: events.SES, Account: b.account(), Channel: events.Email,
		Direction: events.Outbound, ReceivedAt: n.ReceivedAt,
	}
	if isID(b.Mail.MessageID) {
		m.ProviderID = b.Mail.MessageID
	}
	if from := address(b.Mail.Source); len(from) <= maxAddress {
		m.From = from
	}
	return m
}

// tell writes what the event says into m, or returns what is wrong with it.
func (b *body) tell(name string, n *Notification, m *events.Message) (problem string) {
	read, known := readers[name]
	switch {
	case name == "":
		return invalidEvent
	case !known:
		return invalidType
	case m.ProviderID == "":
		return invalidID
	}
	s, problem := read(b)
	if problem != "" {
		return problem
	}
	occurred, ok := moment(s.at)
	_, sound := moment(b.Mail.Timestamp)
	if !ok || !sound {
		return invalidTime
	}
	if occurred == nil && !n.Timestamp.IsZero() {
		at := events.Millis(n.Timestamp)
		occurred = &at
	}
	m.OccurredAt, m.Status, m.ErrorCode = occurred, s.status, s.code
	if s.fact.Name != "" {
		s.fact.At = occurred
		m.Facts = append(m.Facts, s.fact)
	}
	m.Recipients, problem = b.recipients(&s)
	return problem
}

// moment reads a time, nil for none; false if it is one that cannot be.
func moment(text string) (*time.Time, bool) {
	if text == "" {
		return nil, true
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1970 {
		return nil, false
	}
	t = events.Millis(t)
	return &t, true
}
