package events

// Kind says what an event is about. Kinds are part of event ids and so promises.
type Kind string

// The kinds, by the callback that brings them.
const (
	KindMessageStatus Kind = "message.status"   // an outbound message changed status
	KindMessage       Kind = "message.received" // somebody wrote to one of our senders
	KindSend          Kind = "send"             // a campaign sender recorded a send
	KindStripe        Kind = "stripe.event"     // whatever Stripe has to say
)

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
