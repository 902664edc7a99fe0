package tenants

import (
	"errors"
	"slices"
	"strings"
	"time"

	"waybill/internal/events"
)

// Kind is what a sender is.
type Kind string

// The kinds of senders. They are stored, and so promises.
const (
	Number           Kind = "number"
	ShortCode        Kind = "short_code"
	Alphanumeric     Kind = "alphanumeric"
	WhatsApp         Kind = "whatsapp"
	MessagingService Kind = "messaging_service"
	EmailIdentity    Kind = "email_identity"
)

// Kinds lists the kinds of senders.
func Kinds() []Kind {
	return []Kind{Number, ShortCode, Alphanumeric, WhatsApp, MessagingService, EmailIdentity}
}

// Sender is a sender of an organisation over a time. Its JSON names are promises.
type Sender struct {
	ID            string       `json:"id"`
	Value         string       `json:"value"`
	Kind          Kind         `json:"kind"`
	Org           events.OrgID `json:"org_id"`
	Shared        bool         `json:"shared"`
	From          *time.Time   `json:"from"` // nil = from the beginning
	To            *time.Time   `json:"to"`   // nil = open
	VoiceRedirect string       `json:"voice_redirect,omitempty"`
}

// NewSender is a sender to be entered. Without From it is the organisation's
// from the beginning if nobody ever held it, else from now.
type NewSender struct {
	Org           events.OrgID
	Kind          Kind
	Value         string // normalised
	Shared        bool
	From, To      *time.Time
	VoiceRedirect string
}

// Move gives a sender to another organisation at a time.
type Move struct {
	Value string // normalised
	Org   events.OrgID
	At    time.Time
}

// Placed is what entering or moving a sender came to.
type Placed struct {
	Sender
	Released int64 `json:"released"` // held events that are now processed anew
}

// Errors of senders.
var (
	ErrKind      = errors.New("not a kind of sender: want number, short_code, alphanumeric, whatsapp, messaging_service or email_identity")
	ErrAmbiguous = errors.New("cannot tell what kind of sender this is: write a phone number with + and country code, or say --kind")
)

// CheckKind tells whether k is a kind of sender.
func CheckKind(k Kind) error {
	if !slices.Contains(Kinds(), k) {
		return ErrKind
	}
	return nil
}

// Shortest and longest short codes, in digits.
const minShort, maxShort = 3, 8

// maxAlphanumeric is the most characters of an alphanumeric sender (GSM 03.38
// address field, eleven characters).
const maxAlphanumeric = 11

// GuessKind tells what a normalised sender is from how it is written.
func GuessKind(value string) (Kind, error) {
	switch {
	case strings.HasPrefix(value, "whatsapp:"):
		return WhatsApp, nil
	case isSID(value, "MG"):
		return MessagingService, nil
	case strings.HasPrefix(value, "+") && digits(value[1:]):
		return Number, nil
	case digits(value) && len(value) >= minShort && len(value) <= maxShort:
		return ShortCode, nil
	case strings.Contains(value, "@"), strings.Contains(value, ".") && !strings.ContainsAny(value, " /:"):
		return EmailIdentity, nil
	case value != "" && len(value) <= maxAlphanumeric && !digits(value) && !strings.HasPrefix(value, "+"):
		return Alphanumeric, nil
	}
	return "", ErrAmbiguous
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
