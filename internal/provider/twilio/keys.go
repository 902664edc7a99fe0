package twilio

import (
	"crypto/sha1" //nolint:gosec // Twilio's scheme; HMAC-SHA1 is not weakened by SHA-1's collisions
	"crypto/sha256"
	"hash"
	"net/http"
	"strings"

	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/tenants"
)

// Twilio signs with an account's auth token, or, where its webhooks are set up
// so, with a shared key that was made for them. A header then names the key. It
// is not signed: it only chooses among the account's own keys, and the algorithm
// is the one that the key was registered with. No request is ever tried with
// both, so that neither stands in for the other.
const headerSettings = "X-Twilio-Webhooks-Signature-Settings"

// algorithm is one by which Twilio signs.
type algorithm struct {
	hash func() hash.Hash
	size int // of a signature, in bytes
}

var (
	hmacSHA1   = algorithm{sha1.New, sha1.Size}
	hmacSHA256 = algorithm{sha256.New, sha256.Size}
)

// sharedAlgorithms are those of shared keys, by the name in the header and on
// record. A program that knows no shared keys takes none of them for a token.
var sharedAlgorithms = map[string]algorithm{
	tenants.AlgorithmHMACSHA1:   hmacSHA1,
	tenants.AlgorithmHMACSHA256: hmacSHA256,
}

// tokenAlgorithm is the name under which an auth token may state what it is for.
const tokenAlgorithm = "hmac-sha1"

// settings say with what a request claims to be signed.
type settings struct {
	key       string // "" = the account's auth token
	algorithm string // as the header names it; believed for nothing but a refusal
}

// maxKeyID bounds the id of a shared key, in bytes.
const maxKeyID = 128

// settingsOf reads the header: key=ID, and algorithm=NAME which may be left out
// for HMAC_SHA1, with a comma between. Parts of other names are passed over, as
// Twilio may add some.
func settingsOf(h http.Header) (settings, error) {
	values, there := h[headerSettings]
	if !there {
		return settings{}, nil
	}
	s := settings{algorithm: tenants.AlgorithmHMACSHA1}
	seen := map[string]bool{}
	if len(values) != 1 {
		return s, fault.New(fault.Unverified, reasonMalformedSettings)
	}
	for part := range strings.SplitSeq(values[0], ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || seen[name] {
			return s, fault.New(fault.Unverified, reasonMalformedSettings)
		}
		seen[name] = true
		switch name {
		case "key":
			s.key = value
		case "algorithm":
			s.algorithm = value
		}
	}
	if s.key == "" || len(s.key) > maxKeyID {
		return s, fault.New(fault.Unverified, reasonMalformedSettings)
	}
	if _, ok := sharedAlgorithms[s.algorithm]; !ok {
		return s, fault.New(fault.Unverified, reasonUnknownAlgorithm)
	}
	return s, nil
}

// signatureOf returns the signature of a request with these settings.
func (s settings) signatureOf(h http.Header) ([]byte, error) {
	if s.key == "" {
		return signatureOf(h, hmacSHA1)
	}
	return signatureOf(h, hmacSHA1, hmacSHA256)
}

// keys returns the secrets that a request with these settings may be signed
// with. An empty one is left out: it would let anybody sign.
func (s settings) keys(secrets []provider.Secret) []key {
	keys := make([]key, 0, len(secrets))
	for i := range secrets {
		secret := &secrets[i]
		a, ok := hmacSHA1, secret.Algorithm == "" || secret.Algorithm == tokenAlgorithm
		if s.key != "" {
			a, ok = sharedAlgorithms[secret.Algorithm]
		}
		if ok && secret.Name == s.key && len(secret.Value) > 0 {
			keys = append(keys, key{secret.ID, a.hash, secret.Value})
		}
	}
	return keys
}

// registered tells whether a request with these settings may be signed with a
// secret that is registered but cannot be used. An empty one without an id stands
// for a record that could not be read at all, and an account has one at least.
func (s settings) registered(secrets []provider.Secret) bool {
	for i := range secrets {
		if secrets[i].Name == s.key || secrets[i].ID == "" && len(secrets[i].Value) == 0 {
			return true
		}
	}
	return len(secrets) == 0
}

// missing is why a request with these settings is refused of an account that
// has other secrets alone.
func (s settings) missing() string {
	if s.key == "" {
		return reasonNoAuthToken
	}
	return reasonUnknownKey
}

// decoy stands in for the keys of an account that has none here, so that an
// unknown one costs the same work as a known one. What it matches is refused all
// the same.
func (s settings) decoy() []key {
	a := hmacSHA1
	if s.key != "" {
		a = sharedAlgorithms[s.algorithm]
	}
	return []key{{hash: a.hash, value: decoyValue}}
}

var decoyValue = []byte("a token that no account has had.")

// SignedWith returns a secret that somebody found as what it would have to be
// registered as for this request to verify with it.
func SignedWith(r *provider.Request, s provider.Secret) provider.Secret {
	if with, err := settingsOf(r.Header); err == nil && with.key != "" {
		s.Name, s.Algorithm = with.key, with.algorithm
	}
	return s
}
