package providertest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // SNS's version 1
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider"
)

// An SNS of our own, with a certificate authority of its own: what it signs is
// what AWS would, but for who issued the certificate.

// SNSCertFile is the name of the certificate that envelopes are signed with, and
// SNSCertURL where AWS would serve it for topics of eu-west-1.
const (
	SNSCertFile = "SimpleNotificationService-0123456789abcdefABCDEF0123456789.pem"
	SNSCertURL  = "https://sns.eu-west-1.amazonaws.com/" + SNSCertFile
)

// The keys are made once: they are what costs.
var (
	SNSKey      = rsaKey() // the certificate's
	SNSOtherKey = rsaKey() // of no certificate
	authority   = rsaKey()
)

func rsaKey() func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
}

// SNSCertificate returns the PEM text of a certificate for SNSKey that is good
// from an hour before a time to two days behind it; change may be nil.
func SNSCertificate(t testing.TB, now time.Time, change func(c *x509.Certificate)) []byte {
	t.Helper()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "sns.amazonaws.com"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(48 * time.Hour),
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca, SNSKey().Public(), authority())
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// ServeSNS returns what fetches a certificate: text at SNSCertURL and nothing
// anywhere else.
func ServeSNS(text []byte) func(context.Context, string) ([]byte, error) {
	return func(_ context.Context, url string) ([]byte, error) {
		if url != SNSCertURL {
			return nil, errors.New("nothing is served there")
		}
		return text, nil
	}
}

// Envelope is one of SNS's that can be changed, member by member.
type Envelope map[string]any

// stamp is how SNS writes a time.
const stamp = "2006-01-02T15:04:05.000Z"

// SNSNotification returns the envelope of a message before it is signed.
func SNSNotification(topicARN, message string, at time.Time) Envelope {
	return Envelope{
		"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topicARN,
		"Message": message, "Timestamp": at.UTC().Format(stamp), "SignatureVersion": "2", "SigningCertURL": SNSCertURL,
	}
}

// SNSConfirmation returns the envelope in which a topic asks to be confirmed, or
// says that it delivers no more, by its type; not signed yet.
func SNSConfirmation(kind, topicARN string, at time.Time) Envelope {
	return Envelope{
		"Type": kind, "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "Token": "2336412f37", "TopicArn": topicARN,
		"Message": "You have chosen to subscribe.\nVisit it.", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
		"Timestamp": at.UTC().Format(stamp), "SignatureVersion": "2", "SigningCertURL": SNSCertURL,
	}
}

// StringToSign is written from AWS's guide, without the package's own code.
func (e Envelope) StringToSign() string {
	names := "Message MessageId SubscribeURL Timestamp Token TopicArn Type"
	if e["Type"] == "Notification" {
		names = "Message MessageId Subject Timestamp TopicArn Type"
	}
	var b strings.Builder
	for name := range strings.FieldsSeq(names) {
		if value, ok := e[name].(string); ok {
			b.WriteString(name + "\n" + value + "\n")
		}
	}
	return b.String()
}

// With returns a copy in which some members are others, given as names and
// values; nil removes one.
func (e Envelope) With(pairs ...any) Envelope {
	out := maps.Clone(e)
	for i := 0; i < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		out[name] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(out, name)
		}
	}
	return out
}

// Signed returns a copy with a signature made by a key.
func (e Envelope) Signed(t testing.TB, by *rsa.PrivateKey) Envelope {
	t.Helper()
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(e.StringToSign()))
	digest := sum[:]
	if e["SignatureVersion"] == "1" {
		sum := sha1.Sum([]byte(e.StringToSign())) //nolint:gosec // SNS's version 1
		hash, digest = crypto.SHA1, sum[:]
	}
	signature, err := rsa.SignPKCS1v15(nil, by, hash, digest)
	require.NoError(t, err)
	return e.With("Signature", base64.StdEncoding.EncodeToString(signature))
}

// Body returns the envelope as it is sent.
func (e Envelope) Body(t testing.TB) []byte {
	t.Helper()
	b, err := json.Marshal(e)
	require.NoError(t, err)
	return b
}

// SignSNS returns a [Case]'s Sign for an envelope: the suite's first secret
// stands for SNSKey, and any other for SNSOtherKey.
func SignSNS(t testing.TB, e Envelope) func(*provider.Request, []byte) {
	t.Helper()
	good, other := e.Signed(t, SNSKey()).Body(t), e.Signed(t, SNSOtherKey()).Body(t)
	return func(r *provider.Request, with []byte) {
		if r.Body = bytes.Clone(other); bytes.Equal(with, secret) {
			r.Body = bytes.Clone(good)
		}
	}
}
