package events

// Kind says what an event is about. Kinds are part of event ids and so promises.
type Kind string

// The kinds, by the callback that brings them.
const (
	KindMessageStatus Kind = "message.status"   // an outbound message changed status
	KindMessage       Kind = "message.received" // somebody wrote to one of our senders
	KindSend          Kind = "send"             // a campaign sender recorded a send
	KindConsent       Kind = "consent"          // somebody opted out or in, at a sender that organisations share
	KindEmail         Kind = "email.event"      // what became of an e-mail
	KindCall          Kind = "call.status"      // a call changed status, either direction
	KindCallInbound   Kind = "call.received"    // somebody called one of our numbers
	KindDial          Kind = "call.dial"        // the result of a dialled leg
	KindRecording     Kind = "call.recording"   // a recording changed status
	KindContact       Kind = "contact.event"    // Amazon Connect: a contact moved on
	KindContactRecord Kind = "contact.record"   // Amazon Connect: the record of a contact
	KindTopic         Kind = "topic.control"    // an SNS topic asks to be confirmed, or says that it delivers no more
	KindStripe        Kind = "stripe.event"     // whatever Stripe has to say
)

// Kinds returns every kind.
func Kinds() []Kind {
	return []Kind{
		KindMessageStatus, KindMessage, KindSend, KindConsent, KindEmail, KindCall, KindCallInbound, KindDial, KindRecording,
		KindContact, KindContactRecord, KindTopic, KindStripe,
	}
}

// Channel is how a message travels.
type Channel string

// The channels.
const (
	SMS      Channel = "sms"
	WhatsApp Channel = "whatsapp"
	Email    Channel = "email"
	Voice    Channel = "voice"
)

// Direction is outbound (we sent it) or inbound.
type Direction string

// The directions.
const (
	Outbound Direction = "outbound"
	Inbound  Direction = "inbound"
)

// Outcome is what became of one event. Applied, Stale and Ignored are final
// and suppress repeats; Parked, Quarantined and Dead are states of a held
// event, superseded by its next processing.
type Outcome string

// The outcomes.
const (
	Applied     Outcome = "applied"     // it changed the row, or added a fact to it
	Stale       Outcome = "stale"       // the row already knew better
	Ignored     Outcome = "ignored"     // a kind that we know and do not need
	Parked      Outcome = "parked"      // no organisation yet
	Quarantined Outcome = "quarantined" // the evidence contradicts itself, or the signer is not entitled
	Dead        Outcome = "dead"        // will never work as it is
)

// Final tells whether an outcome suppresses repeats of its event.
func (o Outcome) Final() bool { return o == Applied || o == Stale || o == Ignored }
