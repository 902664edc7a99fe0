package simulate

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Amazon's scheme, in its version 1
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Topic is an SNS topic that delivers to Waybill over HTTPS.
type Topic struct {
	*Certificate

	ARN     string
	Version string // SignatureVersion: 1 or 2
}

// Deliver returns the delivery of a message to a path. The id is SNS's, the
// same each time that the message is delivered.
func (t Topic) Deliver(path, id, message string, at time.Time) Request {
	return t.sign(path, map[string]string{
		"Type": "Notification", "MessageId": id, "TopicArn": t.ARN, "Message": message, "Timestamp": milliseconds(at),
		"UnsubscribeURL": t.host() + "/?Action=Unsubscribe&SubscriptionArn=" + t.ARN + ":simulated",
	})
}

// signed are the fields that a notification signs, in their order.
var signed = []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}

// sign makes the delivery of any notification. It is signed as
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
// describes: RSA PKCS #1 v1.5 over the names and values of its fields, each on a
// line of its own.
func (t Topic) sign(path string, fields map[string]string) Request {
	var text strings.Builder
	for _, name := range signed {
		if value, ok := fields[name]; ok {
			text.WriteString(name + "\n" + value + "\n")
		}
	}
	hash, digest := crypto.SHA256, sha256.Sum256([]byte(text.String()))
	sum := digest[:]
	if t.Version == "1" {
		digest := sha1.Sum([]byte(text.String())) //nolint:gosec // Amazon's scheme, in its version 1
		hash, sum = crypto.SHA1, digest[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, t.key, hash, sum)
	if err != nil {
		signature = nil // cannot be: the key is longer than any digest
	}
	fields["SignatureVersion"] = t.Version
	fields["Signature"] = base64.StdEncoding.EncodeToString(signature)
	fields["SigningCertURL"] = t.host() + "/" + t.File
	body, err := json.Marshal(fields)
	if err != nil {
		body = nil // cannot be: they are texts
	}
	return Request{
		Method: http.MethodPost, Path: path, Body: body,
		Header: http.Header{
			"Content-Type": {"text/plain; charset=UTF-8"}, "User-Agent": {"Amazon Simple Notification Service Agent"},
			"X-Amz-Sns-Message-Type": {fields["Type"]}, "X-Amz-Sns-Message-Id": {fields["MessageId"]}, "X-Amz-Sns-Topic-Arn": {t.ARN},
		},
	}
}

// host is where the topic's region serves its certificates.
func (t Topic) host() string {
	parts := strings.Split(t.ARN, ":") // arn:aws:sns:REGION:ACCOUNT:NAME
	if len(parts) < 4 {
		return ""
	}
	return "https://sns." + parts[3] + ".amazonaws.com"
}

// milliseconds writes a time as Amazon does.
func milliseconds(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
