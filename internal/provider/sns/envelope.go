package sns

import (
	"slices"
	"strings"
	"time"

	"waybill/internal/fault"
)

// Bounds of what becomes part of keys and records.
const (
	maxID    = 100
	maxToken = 1024
)

// field is one text of an envelope; null is as if it were absent.
type field struct {
	text string
	set  bool
}

// envelope is an envelope's fields, decoded. Those that SNS does not sign and
// we do not need (UnsubscribeURL, MessageAttributes, whatever is added) are
// read over.
type envelope struct {
	kind, messageID, topicARN, message, subject, timestamp, token, subscribeURL field // signed
	version, signature, certificateURL                                          field

	topic topic
	at    time.Time
}

// Decode reads an envelope that was verified when it was received. The error
// is of class Invalid.
func Decode(body []byte) (Message, error) {
	e, ok := decode(body)
	if !ok {
		return Message{}, fault.New(fault.Invalid, reasonMalformedEnvelope)
	}
	return e.said(), nil
}

// said returns what is signed, and nothing else.
func (e *envelope) said() Message {
	m := Message{
		Type: Type(e.kind.text), TopicARN: e.topicARN.text, ID: e.messageID.text, At: e.at, Body: e.message.text,
	}
	if m.Type == Notification {
		m.Subject, m.HasSubject = e.subject.text, e.subject.set
	} else {
		m.Token = e.token.text
	}
	return m
}

// decode reads an envelope; ok tells whether it is one.
func decode(body []byte) (e envelope, ok bool) {
	r := reader{s: string(body)}
	others := make([]string, 0, 4) // keys of no text that we read
	ok = r.object(func(key string) bool {
		f := e.field(key)
		if f == nil {
			if misspelt(key) || slices.Contains(others, key) {
				return false
			}
			others = append(others, key)
			return r.skip()
		}
		if f.set || slices.Contains(others, key) {
			return false
		}
		if r.null() {
			others = append(others, key)
			return true
		}
		f.text, f.set = r.text()
		return f.set
	})
	return e, ok && e.sound()
}

// field returns the field of a key, nil if it is none that is read.
func (e *envelope) field(key string) *field {
	switch key {
	case "Type":
		return &e.kind
	case "MessageId":
		return &e.messageID
	case "TopicArn":
		return &e.topicARN
	case "Message":
		return &e.message
	case "Subject":
		return &e.subject
	case "Timestamp":
		return &e.timestamp
	case "Token":
		return &e.token
	case "SubscribeURL":
		return &e.subscribeURL
	case "SignatureVersion":
		return &e.version
	case "Signature":
		return &e.signature
	case "SigningCertURL":
		return &e.certificateURL
	}
	return nil
}

// misspelt tells whether a key that is none of ours is one in another case:
// other readers would take it for ours.
func misspelt(key string) bool {
	return slices.ContainsFunc([]string{
		"Type", "MessageId", "TopicArn", "Message", "Subject", "Timestamp", "Token", "SubscribeURL",
		"SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL", "MessageAttributes",
	}, func(known string) bool { return key != known && strings.EqualFold(key, known) })
}

// sound checks the signed fields. None but Message may hold a line feed: they
// are what separates the fields in the canonical string, and with one more the
// same signature would hold for other fields.
func (e *envelope) sound() bool {
	var err error
	if e.at, err = time.Parse(time.RFC3339, e.timestamp.text); err != nil {
		return false
	}
	var ok bool
	if e.topic, ok = parseTopic(e.topicARN.text); !ok || !e.message.set || !visible(e.messageID.text, maxID) {
		return false
	}
	switch Type(e.kind.text) {
	case Notification:
		return !strings.Contains(e.subject.text, "\n")
	case SubscriptionConfirmation, UnsubscribeConfirmation:
		return visible(e.token.text, maxToken) && e.subscribeURL.set && !strings.Contains(e.subscribeURL.text, "\n")
	}
	return false
}

// visible tells whether s is 1 to limit bytes of ASCII that can be seen.
func visible(s string, limit int) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= limit
}
