package connect

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"

	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/sns"
	"waybill/internal/tenants"
)

// The headers that keys arrive in.
const (
	HeaderAPIKey      = "X-Waybill-Api-Key"         // an EventBridge API destination's
	HeaderFirehoseKey = "X-Amz-Firehose-Access-Key" // Firehose's
)

// algorithms are what the keys of a header are registered as.
var algorithms = map[string]string{
	HeaderAPIKey:      tenants.AlgorithmAPIKey,
	HeaderFirehoseKey: tenants.AlgorithmFirehose,
}

// Reasons for which a key is refused.
const (
	reasonMissingKey = "missing_key" // absent, empty, twice, or longer than any
	reasonBadKey     = "bad_key"     // nobody's
	reasonUnsureKey  = "unsure_key"  // it may be somebody's
	reasonEmptyKey   = "empty_key"   // nobody's, but somebody has a key that is empty: an operator must act
)

// KeyReasons returns the closed set of reasons of [Holder].
func KeyReasons() []string {
	return []string{reasonMissingKey, reasonBadKey, reasonUnsureKey, reasonEmptyKey}
}

// maxKey is the longest key that Firehose sends, in bytes.
const maxKey = 4096

// Holder returns the instance whose key a request presents in one of the two
// headers, among the signers of a snapshot, and the id of that key. Every key
// that is registered for the header is compared, in constant time and by its
// SHA-256, so that neither its bytes nor its length nor its place show. An empty
// one opens nothing, but an unknown key may be the one that it stands for. Then,
// and where the snapshot may lack a signer, an unknown key is an error of class
// Unavailable.
//
// Two instances that share a key have none: the one cannot be told from the
// other.
func Holder(h http.Header, header string, signers []provider.Signer, k provider.Knowledge) (instance, keyID string, err error) {
	given := h.Values(header)
	if len(given) != 1 || given[0] == "" || len(given[0]) > maxKey {
		return "", "", fault.New(fault.Unverified, reasonMissingKey)
	}
	want := sha256.Sum256([]byte(given[0]))
	holders, empty := 0, false
	for _, s := range signers {
		found := false
		for _, secret := range s.Secrets {
			if len(secret.Value) == 0 {
				empty = empty || mayBeFor(header, s.Name, secret.Algorithm)
				continue
			}
			if secret.Algorithm != algorithms[header] {
				continue
			}
			sum := sha256.Sum256(secret.Value)
			if subtle.ConstantTimeCompare(sum[:], want[:]) == 1 {
				found, instance, keyID = true, s.Name, secret.ID
			}
		}
		if found {
			holders++
		}
	}
	switch {
	case holders == 1 && instance != "":
		return instance, keyID, nil
	case empty:
		return "", "", fault.New(fault.Unavailable, reasonEmptyKey)
	case k == provider.Unsure:
		return "", "", fault.New(fault.Unavailable, reasonUnsureKey)
	}
	return "", "", fault.New(fault.Unverified, reasonBadKey)
}

// mayBeFor tells whether a secret that cannot be used may be a key for a header.
// A topic has none, and one without an algorithm is of a record that could not
// be read: it may have been for anything.
func mayBeFor(header, signer, algorithm string) bool {
	return sns.CheckTopic(signer) != nil && (algorithm == "" || algorithm == algorithms[header])
}
