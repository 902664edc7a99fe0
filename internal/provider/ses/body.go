package ses

import (
	"encoding/json"
	"strings"
)

// body is what is read of a message of either format.
type body struct {
	EventType        string `json:"eventType"`
	NotificationType string `json:"notificationType"`

	Mail struct {
		MessageID        string          `json:"messageId"`
		Timestamp        string          `json:"timestamp"` // when it was sent
		Source           string          `json:"source"`
		SourceARN        string          `json:"sourceArn"`
		SendingAccountID string          `json:"sendingAccountId"`
		Destination      []string        `json:"destination"`
		Tags             json.RawMessage `json:"tags"` // the sender's own: nothing in them makes an event unusable
	} `json:"mail"`

	Bounce        *bounce       `json:"bounce"`
	Complaint     *complaint    `json:"complaint"`
	Delivery      *delivery     `json:"delivery"`
	Reject        *reject       `json:"reject"`
	Open          *opened       `json:"open"`
	Click         *opened       `json:"click"`
	Failure       *struct{}     `json:"failure"`
	DeliveryDelay *delay        `json:"deliveryDelay"`
	Subscription  *subscription `json:"subscription"`
}

type bounce struct {
	Type       string      `json:"bounceType"`
	SubType    string      `json:"bounceSubType"`
	Recipients []recipient `json:"bouncedRecipients"`
	Timestamp  string      `json:"timestamp"`
}

type complaint struct {
	SubType      string      `json:"complaintSubType"`
	FeedbackType string      `json:"complaintFeedbackType"`
	Recipients   []recipient `json:"complainedRecipients"`
	Timestamp    string      `json:"timestamp"`
}

type delivery struct {
	Recipients []string `json:"recipients"`
	Timestamp  string   `json:"timestamp"`
}

type reject struct {
	Reason string `json:"reason"`
}

// opened is of an open or a click. Where from and with what stays in the raw
// record: it is about a person, and nothing here needs it.
type opened struct {
	Timestamp string `json:"timestamp"`
}

type delay struct {
	Type       string      `json:"delayType"`
	Recipients []recipient `json:"delayedRecipients"`
	Timestamp  string      `json:"timestamp"`
}

type subscription struct {
	Timestamp string      `json:"timestamp"`
	New       preferences `json:"newTopicPreferences"`
	Old       preferences `json:"oldTopicPreferences"`
}

// recipient is one that something happened to.
type recipient struct {
	Address string `json:"emailAddress"`
	Status  string `json:"status"` // enhanced status code of RFC 3463, if there is one
}

// name returns the event's type, "" if it names none, or two.
func (b *body) name() string {
	switch {
	case b.NotificationType == "":
		return b.EventType
	case b.EventType == "" || b.EventType == b.NotificationType:
		return b.NotificationType
	}
	return ""
}

// account returns the AWS account that sent the e-mail, "" if it is not told.
func (b *body) account() string {
	if a := b.Mail.SendingAccountID; a != "" && isID(a) {
		return a
	}
	return ""
}

// identity returns the address or domain that SES was allowed to send from, as
// it is written in its ARN; "" if it is not told.
func (b *body) identity() string {
	_, identity, _ := strings.Cut(b.Mail.SourceARN, ":identity/")
	return identity
}

// maxID bounds SES's message ids, in bytes; they become index keys.
const maxID = 128

// isID tells whether s can be an id of SES's: 1 to maxID letters, digits,
// hyphens, underscores and dots.
func isID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= maxID
}
