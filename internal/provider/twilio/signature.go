package twilio

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's scheme; HMAC-SHA1 is not weakened by SHA-1's collisions
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"

	"waybill/internal/fault"
	"waybill/internal/provider"
)

// algorithm is the name under which a secret may state what it is for.
const algorithm = "hmac-sha1"

// hashParam is the query parameter by which Twilio signs a JSON body.
const hashParam = "bodySHA256="

// signatureLength is the length of 20 bytes in padded base64. Checked first
// because Go's decoder skips line breaks: one signature, one spelling.
const signatureLength = 28

// signatureOf returns the decoded signature of a request.
func signatureOf(h http.Header) ([]byte, error) {
	values := h.Values(headerSignature)
	if len(values) == 0 || values[0] == "" {
		return nil, fault.New(fault.Unverified, reasonMissingSignature)
	}
	if len(values) > 1 || len(values[0]) != signatureLength {
		return nil, fault.New(fault.Unverified, reasonBadSignature)
	}
	mac, err := base64.StdEncoding.Strict().DecodeString(values[0])
	if err != nil || len(mac) != sha1.Size {
		return nil, fault.New(fault.Unverified, reasonBadSignature)
	}
	return mac, nil
}

// usable returns the tokens that can verify: an empty one would let anybody
// sign. Keys of other algorithms belong to SharedKey signing, which names its
// key in a header.
func usable(secrets []provider.Secret) [][]byte {
	tokens := make([][]byte, 0, len(secrets))
	for _, s := range secrets {
		if len(s.Value) > 0 && (s.Algorithm == "" || s.Algorithm == algorithm) {
			tokens = append(tokens, s.Value)
		}
	}
	return tokens
}

// matches tells whether one of the tokens signed one of the prefixes followed
// by the URI and what stands behind it.
func matches(signature []byte, tokens [][]byte, prefixes []string, uri string, tail []byte) bool {
	var sum [sha1.Size]byte
	for _, token := range tokens {
		mac := hmac.New(sha1.New, token)
		for _, prefix := range prefixes {
			mac.Write([]byte(prefix))
			mac.Write([]byte(uri))
			mac.Write(tail)
			if hmac.Equal(signature, mac.Sum(sum[:0])) {
				return true
			}
			mac.Reset() // not before the first: that would cost what a second try does
		}
	}
	return false
}

// checkBodyHash compares the hash in the query of a JSON request with its
// body's. The query is signed, so a hash that matches vouches for the body.
// Only the form that Twilio sends is taken: once, 64 lower-case digits.
func checkBodyHash(uri string, body []byte) error {
	var hash string
	found := 0
	for pair := range strings.SplitSeq(queryOf(uri), "&") {
		if h, ok := strings.CutPrefix(pair, hashParam); ok {
			hash, found = h, found+1
		}
	}
	if found == 0 {
		return fault.New(fault.Unverified, reasonMissingBodyHash)
	}
	sum := sha256.Sum256(body)
	want := hex.AppendEncode(nil, sum[:])
	if found > 1 || subtle.ConstantTimeCompare(want, []byte(hash)) != 1 {
		return fault.New(fault.Unverified, reasonBadBodyHash)
	}
	return nil
}
