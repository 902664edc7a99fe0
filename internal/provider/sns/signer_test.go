package sns_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider/sns"
)

const (
	topicARN = "arn:aws:sns:eu-west-1:123456789012:ses-events"
	certFile = "SimpleNotificationService-0123456789abcdefABCDEF0123456789.pem"
	certURL  = "https://sns.eu-west-1.amazonaws.com/" + certFile
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// The keys are made once: they are what costs.
var caKey, leafKey, otherKey = key(), key(), key()

func key() func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
}

// leaf returns the PEM text of a certificate for leafKey.
func leaf(t testing.TB, change func(c *x509.Certificate)) []byte {
	t.Helper()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "sns.amazonaws.com"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(48 * time.Hour),
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca, leafKey().Public(), caKey())
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// keyPEM returns leafKey as text.
func keyPEM(t testing.TB) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(leafKey())})
}

// fields is an envelope that can be changed, member by member.
type fields map[string]any

// notification and confirmation are envelopes before they are signed.
func notification() fields {
	return fields{
		"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topicARN,
		"Subject": "My First Message", "Message": "{\"a\":\"<ü\u2028>\"}\n\t", "Timestamp": "2026-11-25T11:59:30.001Z",
		"SignatureVersion": "2", "SigningCertURL": certURL,
		"UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
	}
}

func confirmation(kind string) fields {
	return fields{
		"Type": kind, "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "Token": "2336412f37", "TopicArn": topicARN,
		"Message": "You have chosen to subscribe.\nVisit it.", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
		"Timestamp": "2026-11-25T11:59:30.001Z", "SignatureVersion": "2", "SigningCertURL": certURL,
	}
}

// stringToSign is written from AWS's guide, without the package's own code.
func (f fields) stringToSign() string {
	names := "Message MessageId SubscribeURL Timestamp Token TopicArn Type"
	if f["Type"] == "Notification" {
		names = "Message MessageId Subject Timestamp TopicArn Type"
	}
	var b strings.Builder
	for name := range strings.FieldsSeq(names) {
		if value, ok := f[name].(string); ok {
			b.WriteString(name + "\n" + value + "\n")
		}
	}
	return b.String()
}

// with returns a copy in which some members are others; nil removes one.
func (f fields) with(pairs ...any) fields {
	out := fields{}
	for name, value := range f {
		out[name] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(out, pairs[i].(string))
		}
	}
	return out
}

// signed returns a copy with a signature made by a key.
func (f fields) signed(t testing.TB, by *rsa.PrivateKey) fields {
	t.Helper()
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(f.stringToSign()))
	digest := sum[:]
	if f["SignatureVersion"] == "1" {
		sum := sha1.Sum([]byte(f.stringToSign()))
		hash, digest = crypto.SHA1, sum[:]
	}
	signature, err := rsa.SignPKCS1v15(nil, by, hash, digest)
	require.NoError(t, err)
	return f.with("Signature", base64.StdEncoding.EncodeToString(signature))
}

func (f fields) body(t testing.TB) []byte {
	t.Helper()
	b, err := json.Marshal(f)
	require.NoError(t, err)
	return b
}

// house is a verifier with its surroundings.
type house struct {
	options  sns.Options
	standing sns.Standing
	verifier *sns.Verifier

	mu      sync.Mutex
	fetched []string
}

// newHouse returns one whose AWS serves a certificate text, or an error.
func newHouse(t testing.TB, text []byte, err error, change func(o *sns.Options)) *house {
	t.Helper()
	h := &house{standing: sns.Registered}
	h.options = sns.Options{
		MaxAge: 24 * time.Hour,
		Now:    func() time.Time { return now },
		Fetch: func(_ context.Context, url string) ([]byte, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.fetched = append(h.fetched, url)
			return text, err
		},
	}
	if change != nil {
		change(&h.options)
	}
	h.verifier = sns.New(h.options)
	return h
}

func (h *house) verify(t testing.TB, kind string, body []byte) (sns.Message, error) {
	t.Helper()
	return h.verifier.Verify(t.Context(), http.Header{"X-Amz-Sns-Message-Type": {kind}}, body, h.topics)
}

func (h *house) topics(string) sns.Standing { return h.standing }

func (h *house) fetches() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.fetched)
}

// refused requires a refusal that says its reason, one of the closed set, and nothing else.
func refused(t testing.TB, err error, class fault.Class, reason string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, reason, err.Error())
	require.Equal(t, class.String(), fault.ClassOf(err).String())
	require.Contains(t, sns.Reasons(), reason)
}
