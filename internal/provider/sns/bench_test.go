package sns_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider/providertest"
)

// benchEnvelope is a delivery event of SES as it comes through SNS, signed by the test's key.
func benchEnvelope(b *testing.B) fields {
	b.Helper()
	event, err := os.ReadFile(filepath.Join(providertest.Vectors(b, "ses"), "event-delivery.json"))
	require.NoError(b, err)
	return notification().With("Message", string(event)).Signed(b, leafKey())
}

// The floor: the hash and the RSA check over the string that is signed.
func BenchmarkFloor(b *testing.B) {
	f := benchEnvelope(b)
	signature, err := base64.StdEncoding.DecodeString(f["Signature"].(string))
	require.NoError(b, err)
	signed, key := []byte(f.StringToSign()), &leafKey().PublicKey
	b.ReportAllocs()
	for b.Loop() {
		sum := sha256.Sum256(signed)
		if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is the work of one genuine notification, its certificate at hand.
func BenchmarkVerify(b *testing.B) {
	f := benchEnvelope(b)
	h := newHouse(b, leaf(b, nil), nil, nil)
	body, head := f.Body(b), header("Notification")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.verifier.Verify(b.Context(), head, body, h.topics); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(body)), "bytes")
}
