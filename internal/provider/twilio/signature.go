package twilio

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"

	"waybill/internal/fault"
)

// hashParam is the query parameter by which Twilio signs a JSON body.
const hashParam = "bodySHA256="

// signatureOf returns the decoded signature of a request that was signed with
// one of the algorithms. Its length is checked first because Go's decoder skips
// line breaks: one signature, one spelling.
func signatureOf(h http.Header, algorithms ...algorithm) ([]byte, error) {
	values := h.Values(headerSignature)
	if len(values) == 0 || values[0] == "" {
		return nil, fault.New(fault.Unverified, reasonMissingSignature)
	}
	if len(values) > 1 {
		return nil, fault.New(fault.Unverified, reasonBadSignature)
	}
	for _, a := range algorithms {
		if len(values[0]) == base64.StdEncoding.EncodedLen(a.size) {
			mac, err := base64.StdEncoding.Strict().DecodeString(values[0])
			if err == nil && len(mac) == a.size {
				return mac, nil
			}
		}
	}
	if len(values[0]) == base64.StdEncoding.EncodedLen(hmacSHA256.size) {
		return nil, fault.New(fault.Unverified, reasonMissingSettings)
	}
	return nil, fault.New(fault.Unverified, reasonBadSignature)
}

// key is a secret ready to verify with.
type key struct {
	id    string // of the secret
	hash  func() hash.Hash
	value []byte
}

// matching returns which of the keys signed one of the prefixes followed by the
// URI and what stands behind it, nil if none did.
func matching(signature []byte, keys []key, prefixes []string, uri string, tail []byte) *key {
	var sum [sha256.Size]byte
	for i := range keys {
		mac := hmac.New(keys[i].hash, keys[i].value)
		for _, prefix := range prefixes {
			mac.Write([]byte(prefix))
			mac.Write([]byte(uri))
			mac.Write(tail)
			if hmac.Equal(signature, mac.Sum(sum[:0])) {
				return &keys[i]
			}
			mac.Reset() // not before the first: that would cost what a second try does
		}
	}
	return nil
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
