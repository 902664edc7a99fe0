package status

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
)

// The CloudEvents types of the records on the status topics.
const (
	TypeMessage  = "waybill.status.message.v1"
	TypeCall     = "waybill.status.call.v1"
	TypeCampaign = "waybill.status.campaign.v1"
)

// ErrForeign says that a record is none that Waybill writes to the topic in
// question. The text says why, and quotes nothing of the record. The same
// record again is no better.
var ErrForeign = errors.New("not a status event of Waybill")

// CloudEvents attributes are Kafka headers, and these a Watermill message's metadata.
const (
	metadataID   = "ce_id"
	metadataType = "ce_type"
)

// DecodeMessage reads a record of [TopicMessages]. Fields that this release does
// not know are ignored. Every error is an [ErrForeign].
func DecodeMessage(msg *message.Message) (Message, error) { return decode[Message](msg, TypeMessage) }

// DecodeCall reads a record of [TopicCalls], as [DecodeMessage] does.
func DecodeCall(msg *message.Message) (Call, error) { return decode[Call](msg, TypeCall) }

// DecodeCampaign reads a record of [TopicCampaigns], as [DecodeMessage] does.
func DecodeCampaign(msg *message.Message) (Campaign, error) {
	return decode[Campaign](msg, TypeCampaign)
}

// event is what the types of this package have in common.
type event[E any] interface {
	*E
	identity() identity
	setEventID(string)
	missing() string
}

func decode[E any, P event[E]](msg *message.Message, typ string) (E, error) {
	var e, none E
	switch msg.Metadata[metadataType] {
	case typ:
	case "":
		return none, foreign("it has no " + metadataType + " in its metadata; a subscriber must give Kafka's headers under their names")
	default:
		return none, foreign("its " + metadataType + " is not " + typ)
	}
	if err := json.Unmarshal(msg.Payload, &e); err != nil { // its text may quote the payload
		what := "its payload is not the JSON of a " + typ
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
			what += ": " + wrong.Field + " has another type"
		}
		return none, foreign(what)
	}
	p := P(&e)
	if field := p.missing(); field != "" {
		return none, foreign("it has no " + field)
	}
	p.setEventID(msg.Metadata[metadataID])
	return e, nil
}

func foreign(why string) error { return fmt.Errorf("%w: %s", ErrForeign, why) }

func (t *Transition) setEventID(id string) { t.EventID = id }

// missing names a field without which nothing can be done, "" if all are there.
func (t *Transition) missing() string {
	switch {
	case t.Org == "":
		return "org_id"
	case t.ID == "":
		return "id"
	case t.Status == "":
		return "status"
	case t.Version < 1:
		return "version"
	}
	return ""
}

func (c *Campaign) setEventID(id string) { c.EventID = id }

func (c *Campaign) missing() string {
	switch {
	case c.Org == "":
		return "org_id"
	case c.ID == "":
		return "campaign_id"
	case c.Version < 1:
		return "version"
	}
	return ""
}
