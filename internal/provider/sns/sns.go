// Package sns verifies what Amazon SNS delivers over HTTPS, for the providers
// that speak through it. It knows no provider and no tenant: whose topic it is
// the caller says.
//
// An envelope is genuine when the signature over its canonical string was made
// with a certificate that AWS publishes for the topic's region. The
// certificate's URL comes from the envelope, so it must equal, but for 32
// letters or digits, the one text that the topic allows; nothing else that an
// envelope names is ever fetched, and SubscribeURL is not even returned. A
// signature says that AWS sent it, not that the topic is ours: anybody can own
// a topic. Topics are therefore asked about before anything is fetched.
//
// The package promises that all it returns was signed, over the very bytes it
// returns, and that no other reading of a signed text is accepted. Whatever
// cannot be decided is refused, with a reason of a closed set; no value of a
// request gets into an error.
package sns

import "time"

// Type is what an envelope is for.
type Type string

// The closed set of types.
const (
	Notification             Type = "Notification"
	SubscriptionConfirmation Type = "SubscriptionConfirmation"
	UnsubscribeConfirmation  Type = "UnsubscribeConfirmation"
)

// Message is what an envelope says, as far as SNS signs it. Its texts are the
// signed bytes: they may hold NUL or invalid UTF-8.
type Message struct {
	Type       Type
	TopicARN   string
	ID         string // MessageId: the same for every delivery of one message; visible ASCII, at most 100 bytes
	At         time.Time
	Subject    string // Notifications; "" if there is none
	HasSubject bool
	Body       string // Message
	// Token confirms the subscription to TopicARN, of confirmations of either
	// type. Whoever confirms builds the call from these two.
	Token string
}

// Topics tells whether a topic is one of ours, and if not whether that is
// certain. It is called before the signature is checked, and must be safe for
// concurrent use.
type Topics func(topicARN string) (registered, certain bool)

// Reasons of a refusal.
const (
	reasonRawDelivery        = "raw_delivery"        // delivered without an envelope, and so without a signature
	reasonMalformedEnvelope  = "malformed_envelope"  // not an object of text fields, each once and in its own case
	reasonTypeMismatch       = "type_mismatch"       // the header names another type than the body
	reasonUnknownTopic       = "unknown_topic"       // the topic is not one of ours
	reasonUnsureTopic        = "unsure_topic"        // the topic may be one of ours
	reasonUnsupportedVersion = "unsupported_version" // SignatureVersion is none that is taken
	reasonMissingSignature   = "missing_signature"   // no Signature
	reasonBadCertificateURL  = "bad_certificate_url" // not the one that AWS uses for the topic's region
	reasonBadSignature       = "bad_signature"       // made with another key, or something was changed
	reasonStale              = "stale"               // well signed, but too long ago

	reasonCertificateExpired     = "certificate_expired"     // now is not within its dates
	reasonCertificateName        = "certificate_name"        // its subject is not SNS
	reasonCertificateMalformed   = "certificate_malformed"   // not one RSA certificate of sane size
	reasonCertificateUnavailable = "certificate_unavailable" // its host does not serve it
	reasonCertificateTimeout     = "certificate_timeout"     // it did not come in time
	reasonCertificateRedirected  = "certificate_redirected"  // its host points elsewhere
	reasonCertificateBlocked     = "certificate_blocked"     // its host's address is not a public one
	reasonCertificateNotPinned   = "certificate_not_pinned"  // certificates are pinned, and it is not among them
)

// Reasons returns the closed set of reasons, for counters that start at zero.
func Reasons() []string {
	return []string{
		reasonRawDelivery, reasonMalformedEnvelope, reasonTypeMismatch, reasonUnknownTopic, reasonUnsureTopic,
		reasonUnsupportedVersion, reasonMissingSignature, reasonBadCertificateURL, reasonBadSignature, reasonStale,
		reasonCertificateExpired, reasonCertificateName, reasonCertificateMalformed, reasonCertificateUnavailable,
		reasonCertificateTimeout, reasonCertificateRedirected, reasonCertificateBlocked, reasonCertificateNotPinned,
	}
}
