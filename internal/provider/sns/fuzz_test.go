package sns_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/sns"
)

// bodies returns the vectors' messages, none where they are absent.
func bodies(f *testing.F) (all [][]byte) {
	f.Helper()
	dir, ok := providertest.TryVectors("sns")
	if !ok {
		return nil
	}
	for _, pattern := range []string{"messages/*.json", "own/*.json", "../connect/sns/*.json"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(f, err)
		for _, file := range files {
			b, err := os.ReadFile(file)
			require.NoError(f, err)
			all = append(all, b)
		}
	}
	return all
}

// FuzzDecode holds the envelope's reader to encoding/json: what is accepted is
// sound JSON and says the same there, whichever of its keys is asked for.
func FuzzDecode(f *testing.F) {
	f.Add(notification().Body(f))
	f.Add([]byte(`{"Type":"Notification","MessageId":"\u0031","TopicArn":"` + topicARN + `","Message":"\ud83d\ude00\ud800\ud83dx\"\\\/\b\f\n\r\t","Timestamp":"2026-11-25T11:59:30Z","x":[{"a":[1e9,"}"]}]}`))
	for _, b := range bodies(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := sns.Decode(body)
		if err != nil {
			refused(t, err, fault.Invalid, "malformed_envelope")
			return
		}
		require.True(t, json.Valid(body))
		if !utf8.Valid(body) {
			return // kept as it is here, replaced there
		}
		var folded struct{ Type, MessageId, TopicArn, Message, Subject, Timestamp, Token string } //nolint:revive // SNS's names
		require.NoError(t, json.Unmarshal(body, &folded))
		require.Equal(t, folded.Type, string(m.Type))
		require.Equal(t, folded.MessageId, m.ID)
		require.Equal(t, folded.TopicArn, m.TopicARN)
		require.Equal(t, folded.Message, m.Body)
		at, err := time.Parse(time.RFC3339, folded.Timestamp)
		require.NoError(t, err)
		require.True(t, at.Equal(m.At))
		if m.Type == sns.Notification {
			require.Equal(t, folded.Subject, m.Subject)
		} else {
			require.Equal(t, folded.Token, m.Token)
		}
	})
}

// FuzzVerify changes genuine envelopes. Whatever is accepted must be signed by
// another reckoning too: encoding/json's reading and the tests' own string.
func FuzzVerify(f *testing.F) {
	certs := map[string][]byte{certURL: leaf(f, nil)}
	for _, version := range []string{"1", "2"} {
		for _, envelope := range []fields{notification(), confirmation("SubscriptionConfirmation"), confirmation("UnsubscribeConfirmation")} {
			f.Add(envelope.With("SignatureVersion", version).Signed(f, leafKey()).Body(f))
		}
	}
	if dir, ok := providertest.TryVectors("sns"); ok {
		signer, err := os.ReadFile(filepath.Join(dir, "own", "signer.pem"))
		require.NoError(f, err)
		certs["https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00000000000000000000000000000000.pem"] = signer
		for _, b := range bodies(f) {
			f.Add(b)
		}
	}
	v := sns.New(sns.Options{
		Now: func() time.Time { return now },
		Fetch: func(_ context.Context, url string) ([]byte, error) {
			if text, ok := certs[url]; ok {
				return text, nil
			}
			return nil, os.ErrNotExist
		},
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		var read fields
		_ = json.Unmarshal(body, &read) // the verifier says what is wrong with it
		kind, _ := read["Type"].(string)
		m, err := v.Verify(t.Context(), header(kind), body, func(string) (registered, certain bool) { return true, true })
		if err != nil {
			require.Contains(t, sns.Reasons(), err.Error())
			require.Zero(t, m)
			return
		}
		require.NoError(t, vouched(read, certs), "a changed envelope was accepted")
		require.Equal(t, read["MessageId"], m.ID)
		require.Equal(t, read["Message"], m.Body)
	})
}

// vouched checks a signature without the package's own code.
func vouched(f fields, certs map[string][]byte) error {
	block, _ := pem.Decode(certs[f["SigningCertURL"].(string)])
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(f["Signature"].(string))
	if err != nil {
		return err
	}
	algorithm := map[string]x509.SignatureAlgorithm{"1": x509.SHA1WithRSA, "2": x509.SHA256WithRSA}[f["SignatureVersion"].(string)]
	return cert.CheckSignature(algorithm, []byte(f.StringToSign()), signature)
}
