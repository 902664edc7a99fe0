package tenants

import (
	"errors"
	"strings"
	"time"

	"waybill/internal/events"
)

// Issuer is whose accounts there are. SNS signs for more than one provider,
// so it is not an [events.Provider].
type Issuer string

// The issuers.
const (
	Twilio  Issuer = "twilio"
	SNS     Issuer = "sns"
	Connect Issuer = "connect"
	Stripe  Issuer = "stripe"
)

// What a secret is for, where an account has more than one kind.
const (
	AlgorithmAPIKey   = "api_key"      // an EventBridge API destination's key
	AlgorithmFirehose = "firehose_key" // a Firehose access key
	AlgorithmInstance = "instance_arn" // not a secret: whose events an SNS topic carries
	AlgorithmTestMode = "test_mode"    // a Stripe signing secret that cannot speak of live objects

	// Of Twilio's shared keys, as Twilio writes them. Not the auth token's
	// "hmac-sha1": a program that knows no shared keys must not take one for a token.
	AlgorithmHMACSHA1   = "HMAC_SHA1"
	AlgorithmHMACSHA256 = "HMAC_SHA256"
)

// Account is a party whose signature is accepted. Its JSON names are promises;
// it never holds a secret.
type Account struct {
	ID        string    `json:"id"`
	Provider  Issuer    `json:"provider"`
	Purpose   string    `json:"purpose,omitempty"` // of an SNS topic: ses or connect
	Name      string    `json:"name"`              // AC..., an ARN, a Stripe endpoint's name
	Platform  bool      `json:"platform"`          // signs for every organisation
	Orgs      []Tenure  `json:"orgs"`
	Tokens    []Token   `json:"tokens"`
	CreatedAt time.Time `json:"created_at"`
}

// Token is a secret of an account without the secret.
type Token struct {
	ID         string     `json:"id"`
	KeyID      string     `json:"key_id,omitempty"` // under which requests ask for it
	Algorithm  string     `json:"algorithm,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"` // when it last signed, to the minute; null = never that is known
}

// SealedToken is a secret that only the processes which need it can open, under
// its ID as name.
type SealedToken struct {
	ID        string
	Name      string // under which requests ask for it, "" = none
	Algorithm string
	Sealed    []byte
}

// OwnedToken is a sealed token and whose it is.
type OwnedToken struct {
	Provider  Issuer
	Account   string
	ID, KeyID string
	Sealed    []byte
}

// NewAccount is an account to be entered, or what is to be added to it: tokens
// beside the ones it has, organisations beside those it signs for.
type NewAccount struct {
	Provider Issuer
	Purpose  string
	Name     string
	Platform bool
	Orgs     []events.OrgID
	Tokens   []SealedToken
}

// Added is what entering an account came to.
type Added struct {
	ID       string `json:"id"`
	Provider Issuer `json:"provider"`
	Name     string `json:"name"`
	Tokens   int    `json:"tokens_added"`
	Released int64  `json:"released"` // held events that are now processed anew
}

// AccountMove says from when on an account signs for another organisation.
type AccountMove struct {
	Account  string       // its id or name
	From, To events.OrgID // From may be "" if the account signs for one organisation alone
	At       time.Time
}

// AccountMoved is what moving an account came to.
type AccountMoved struct {
	ID       string       `json:"id"`
	Provider Issuer       `json:"provider"`
	Name     string       `json:"name"`
	From     events.OrgID `json:"from_org_id"`
	To       events.OrgID `json:"to_org_id"`
	At       time.Time    `json:"at"`
	Released int64        `json:"released"` // held events that are now processed anew
}

// ErrSID is returned for a text that is not an account SID.
var ErrSID = errors.New("not a Twilio account SID: want AC and 32 hexadecimal digits")

// CheckAccountSID tells whether s is a Twilio account SID.
func CheckAccountSID(s string) error {
	if !isSID(s, "AC") {
		return ErrSID
	}
	return nil
}

// ErrInstance is returned for a text that is not the ARN of an instance.
var ErrInstance = errors.New("not the ARN of an Amazon Connect instance: want arn:PARTITION:connect:REGION:ACCOUNT:instance/ID")

// CheckInstance tells whether s is the ARN of an Amazon Connect instance, as
// one by which an event can name it.
func CheckInstance(s string) error {
	parts := strings.Split(s, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "connect" {
		return ErrInstance
	}
	id, instance := strings.CutPrefix(parts[5], "instance/")
	if !instance || !isWord(parts[1]) || !isWord(parts[3]) || !isWord(parts[4]) || !isWord(id) {
		return ErrInstance
	}
	return nil
}

// ErrKeyID is returned for a text that is not the id of a shared key.
var ErrKeyID = errors.New("not the id of a shared key: want webhooks_sharedkey_ and letters or digits, 128 at most")

// CheckKeyID tells whether s is the id of one of Twilio's shared keys.
func CheckKeyID(s string) error {
	rest, ok := strings.CutPrefix(s, "webhooks_sharedkey_")
	if !ok || rest == "" || len(s) > 128 {
		return ErrKeyID
	}
	for i := range len(rest) {
		if c := rest[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return ErrKeyID
		}
	}
	return nil
}

// isWord tells whether s is 1 to 64 letters, digits and hyphens.
func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// isSID tells whether s is one of Twilio's ids with a prefix of two letters.
func isSID(s, prefix string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || len(rest) != 32 {
		return false
	}
	for i := range len(rest) {
		if c := rest[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
