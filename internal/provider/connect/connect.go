// Package connect reads what Amazon Connect sends: contact events, through
// EventBridge and then SNS or an API destination, and contact records, through
// Firehose's HTTP endpoint. A contact is a call.
//
// AWS publishes its events with keys in either case, with enums in either case
// and with fields that are now an object and now a list. Keys are therefore
// read case-blind, enums in upper case, and a field of an unexpected type is as
// if it were absent; the raw record keeps everything.
//
// The package promises that whatever it reads, it reads in bounded memory and
// the same each time, that an event or record of another instance than the
// verified one is never taken for the verified one's, and that no value of a
// request gets into an error. It never does I/O but to read the body that it is
// given.
package connect

import (
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/sns"
	"waybill/internal/tenantmap"
)

var _ provider.Parser = Parser{}

// Reasons for which a genuine event or record is unusable. All are of class
// Invalid but invalidInstance, which is of class Forbidden.
const (
	invalidKind      = "unknown_kind"
	invalidJSON      = "undecodable"         // not one JSON object
	invalidEnvelope  = "bad_envelope"        // an SNS message that is no Notification
	invalidSource    = "not_a_contact_event" // an event of something else
	invalidEventID   = "bad_event_id"
	invalidContactID = "bad_contact_id"
	invalidStatus    = "unknown_status" // an eventType that nobody knows
	invalidTime      = "bad_time"
	invalidAddress   = "oversized_address"
	invalidUnnamed   = "missing_instance"  // it does not say which instance it is of
	invalidInstance  = "instance_mismatch" // it says another instance than the one verified
)

// Parser reads what was kept of contact events and contact records, and of what
// the topics that carry events say of themselves. The signer is the ARN of the
// instance, by whichever way they came. It is safe for concurrent use.
type Parser struct{}

// Provider implements [provider.Parser].
func (Parser) Provider() events.Provider { return events.Connect }

// Ignores implements [provider.Parser].
func (Parser) Ignores() []string { return []string{sns.IgnoredSubscribe, sns.IgnoredUnsubscribe} }

// Parse implements [provider.Parser]. What is of another instance than the
// verified one is an error of class Forbidden: whoever holds one instance's key
// may not speak for another.
func (Parser) Parse(raw *events.Raw) (provider.Parsed, error) {
	switch raw.Kind {
	case events.KindContact:
		return parseEvent(raw)
	case events.KindContactRecord:
		return parseRecord(raw)
	case events.KindTopic:
		return parseControl(raw)
	default:
		return provider.Parsed{}, fault.New(fault.Invalid, invalidKind)
	}
}

// parseControl reads what a topic says of itself. Which topic carries whose
// events was decided when its signature was.
func parseControl(raw *events.Raw) (provider.Parsed, error) {
	c, err := sns.ReadControl(raw)
	if err != nil {
		return provider.Parsed{EventID: c.EventID}, err
	}
	e := tenantmap.Evidence{Provider: events.Connect, Signer: raw.Signer, ProviderID: c.TopicARN, At: raw.ReceivedAt}
	return provider.Parsed{EventID: c.EventID, Evidence: e, Ignored: c.Ignored, Confirm: c.Confirm}, nil
}

// KeyOf returns the id of the contact that a body or document is about, under
// which its raw record is kept so that the events of one contact stay in one
// partition; "" if it cannot be read, and the parser will say why. It reads
// nothing else: the edge does this for whatever it takes.
func KeyOf(kind events.Kind, body []byte) string {
	var id string
	switch kind {
	case events.KindContact:
		inner, ok := unwrap(body)
		var e struct {
			Detail struct {
				ContactID string `json:"contactId"`
			} `json:"detail"`
		}
		if ok && decode(inner, &e) {
			id = e.Detail.ContactID
		}
	case events.KindContactRecord:
		var rec struct {
			ContactID string `json:"ContactId"`
		}
		if decode(body, &rec) {
			id = rec.ContactID
		}
	default:
	}
	if !isToken(id) {
		return ""
	}
	return id
}
