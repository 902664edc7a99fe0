package ingest

import (
	"errors"
	"strings"

	"waybill/internal/events"
	"waybill/internal/provider"
)

// signerPrefix begins the keys of signers on the config topic.
const signerPrefix = "signer/"

var (
	errEmptySecret  = errors.New("the secret is empty")
	errNoSecret     = errors.New("there is no secret")
	errUndecodable  = errors.New("the record cannot be read")
	errForeignToken = errors.New("the record is kept under another signer's key")
)

// signer is one record of the config topic, opened.
type signer struct {
	provider events.Provider
	name     string
	secrets  []provider.Secret
	signsFor *events.ConfigEntitlement // nil = not told
	unusable bool                      // a secret is empty in here because it could not be used
}

// read opens a signer's record. What cannot be opened leaves an empty secret
// behind: no signature matches it, and the verifier answers 503 for this
// signer alone. It is said once, when the signer becomes so. ok is false for a
// key that names nobody.
func (s *Snapshot) read(r *events.Record) (signer, bool) {
	key := string(r.Key)
	var c events.ConfigSigner
	if events.DecodeConfig(r, &c) != nil || c.Key() != key {
		fallback, ok := signerOfKey(key)
		if !ok {
			s.log.Error("a config record names no signer", "offset", r.Offset)
			return signer{}, false
		}
		problem := errUndecodable
		if c.Name != "" {
			problem = errForeignToken
		}
		return s.close(key, fallback, events.ConfigToken{}, problem), true
	}
	out := signer{provider: party(c.Provider, c.Purpose), name: c.Name, signsFor: c.SignsFor}
	for _, t := range c.Tokens {
		value, err := s.key.Open(t.Sealed, t.ID)
		if err == nil && len(value) == 0 {
			err = errEmptySecret
		}
		if err != nil {
			out = s.close(key, out, t, err)
			continue
		}
		out.secrets = append(out.secrets, provider.Secret{ID: t.ID, Name: t.KeyID, Algorithm: t.Algorithm, Value: value})
	}
	if len(c.Tokens) == 0 && c.Provider != providerSNS && out.provider != events.Connect { // an instance may sign by its topic alone
		out = s.close(key, out, events.ConfigToken{}, errNoSecret)
	}
	return out, true
}

// close adds an unusable secret, and raises the alarm unless it is raised. What
// the secret is for stays known, so that nothing else is answered 503 for it;
// that of a record which cannot be read is for anything.
func (s *Snapshot) close(key string, one signer, t events.ConfigToken, problem error) signer {
	if !one.unusable && !s.signers[key].unusable {
		s.log.Error("a signer's secret cannot be used: its requests may be answered 503",
			"provider", one.provider, "signer", one.name, "token_id", t.ID, "error", problem)
	}
	one.unusable = true
	one.secrets = append(one.secrets, provider.Secret{ID: t.ID, Name: t.KeyID, Algorithm: t.Algorithm})
	return one
}

// providerSNS is how SNS topics are registered: with a purpose and without
// secrets, because AWS signs for everybody.
const providerSNS = "sns"

// party returns the provider that a registration is for.
func party(registered, purpose string) events.Provider {
	if registered == providerSNS {
		return events.Provider(purpose)
	}
	return events.Provider(registered)
}

// signerOfKey reads the key signer/provider/purpose/name; names may hold slashes.
func signerOfKey(key string) (signer, bool) {
	parts := strings.SplitN(strings.TrimPrefix(key, signerPrefix), "/", 3)
	if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return signer{}, false
	}
	return signer{provider: party(parts[0], parts[1]), name: parts[2]}, true
}
