package twilio_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/twilio"
	"waybill/internal/tenants"
)

const (
	settingsHeader = "X-Twilio-Webhooks-Signature-Settings"
	sharedID       = "webhooks_sharedkey_00000000000000000000000001"
	sharedKey      = "shared-key-secret-for-tests-0001"
	sha256Settings = "key=" + sharedID + ",algorithm=HMAC_SHA256"
)

// shared is a shared key on record.
func shared(algorithm string) provider.Secret {
	return provider.Secret{ID: "id-of-the-key", Name: sharedID, Algorithm: algorithm, Value: []byte(sharedKey)}
}

// tokenOnRecord is an auth token on record.
var tokenOnRecord = provider.Secret{ID: "id-of-the-token", Value: []byte(token)}

// having returns a snapshot in which the account has these secrets.
func having(secrets ...provider.Secret) providertest.Signers {
	s := providertest.Register(account)
	s.Known[account] = provider.Signer{Name: account, Secrets: secrets}
	return s
}

// named returns a request that names a key, signed with a secret.
func named(settings string, algorithm func() hash.Hash, secret string) *provider.Request {
	r := post(statusURI, statusForm("sent"))
	r.Header.Set("X-Twilio-Signature", signWith(algorithm, secret, baseURL+statusURI, decodeForm(statusForm("sent"))))
	if settings != "" {
		r.Header.Set(settingsHeader, settings)
	}
	return r
}

func TestSharedKeys(t *testing.T) {
	t.Parallel()
	both := having(tokenOnRecord, shared(tenants.AlgorithmHMACSHA256))
	unusable := shared("")
	unusable.Value = nil
	other := shared(tenants.AlgorithmHMACSHA256)
	other.Name += "9"
	newer := shared("HMAC_SHA512")
	unsure := having(tokenOnRecord)
	unsure.Missing = provider.Unsure
	for name, c := range map[string]struct {
		r      *provider.Request
		who    providertest.Signers
		token  string // of which secret it is taken for, "" = refused
		class  fault.Class
		reason string
	}{
		"named and signed":         {named(sha256Settings, sha256.New, sharedKey), both, "id-of-the-key", 0, ""},
		"blanks between":           {named("key="+sharedID+" , algorithm=HMAC_SHA256", sha256.New, sharedKey), both, "id-of-the-key", 0, ""},
		"a part that is new":       {named(sha256Settings+",region=ie1", sha256.New, sharedKey), both, "id-of-the-key", 0, ""},
		"SHA-1 on record":          {named("key="+sharedID, sha1.New, sharedKey), having(shared(tenants.AlgorithmHMACSHA1)), "id-of-the-key", 0, ""},
		"the token beside the key": {named("", sha1.New, token), both, "id-of-the-token", 0, ""},

		// The header is not signed: the table says which algorithm it is.
		"another algorithm is named":     {named("key="+sharedID, sha256.New, sharedKey), both, "id-of-the-key", 0, ""},
		"and signed with":                {named("key="+sharedID, sha1.New, sharedKey), both, "", fault.Unverified, "bad_signature"},
		"the key where none is named":    {named("", sha1.New, sharedKey), both, "", fault.Unverified, "bad_signature"},
		"the header was lost":            {named("", sha256.New, sharedKey), both, "", fault.Unverified, "missing_settings"},
		"the token where a key is named": {named(sha256Settings, sha256.New, token), both, "", fault.Unverified, "bad_signature"},
		"a token's own SHA-1 as well":    {named(sha256Settings, sha1.New, token), both, "", fault.Unverified, "bad_signature"},
		"another URL":                    {named(sha256Settings, sha256.New, sharedKey), both, "id-of-the-key", 0, ""},

		"a key that is not on record":  {named(sha256Settings, sha256.New, sharedKey), having(tokenOnRecord, other), "", fault.Unregistered, "unknown_key"},
		"or may be":                    {named(sha256Settings, sha256.New, sharedKey), unsure, "", fault.Unavailable, "unsure_key"},
		"an account without a token":   {named("", sha1.New, token), having(shared(tenants.AlgorithmHMACSHA256)), "", fault.Unregistered, "no_auth_token"},
		"a key that cannot be opened":  {named(sha256Settings, sha256.New, sharedKey), having(tokenOnRecord, unusable), "", fault.Unavailable, "empty_secret"},
		"an algorithm that is to come": {named(sha256Settings, sha256.New, sharedKey), having(newer), "", fault.Unavailable, "empty_secret"},
		"an unreadable record":         {named(sha256Settings, sha256.New, sharedKey), having(provider.Secret{}), "", fault.Unavailable, "empty_secret"},
		"an unknown account":           {named(sha256Settings, sha256.New, sharedKey), providertest.Nobody(provider.Unknown), "", fault.Unregistered, "unknown_account"},
		"an unsure account":            {named(sha256Settings, sha256.New, sharedKey), providertest.Nobody(provider.Unsure), "", fault.Unavailable, "unsure_account"},

		"an unknown algorithm": {named("key="+sharedID+",algorithm=NONE", sha256.New, sharedKey), both, "", fault.Unverified, "unknown_algorithm"},
		"no algorithm's name":  {named("key="+sharedID+",algorithm=", sha256.New, sharedKey), both, "", fault.Unverified, "unknown_algorithm"},
		"in lower case":        {named("key="+sharedID+",algorithm=hmac_sha256", sha256.New, sharedKey), both, "", fault.Unverified, "unknown_algorithm"},
		"two keys":             {named(sha256Settings+",key="+other.Name, sha256.New, sharedKey), both, "", fault.Unverified, "malformed_settings"},
		"two algorithms":       {named(sha256Settings+",algorithm=HMAC_SHA1", sha256.New, sharedKey), both, "", fault.Unverified, "malformed_settings"},
		"no key":               {named("algorithm=HMAC_SHA256", sha256.New, sharedKey), both, "", fault.Unverified, "malformed_settings"},
		"an empty key":         {named("key=,algorithm=HMAC_SHA256", sha256.New, sharedKey), both, "", fault.Unverified, "malformed_settings"},
		"no pairs":             {named("HMAC_SHA256", sha256.New, sharedKey), both, "", fault.Unverified, "malformed_settings"},
		"a long key":           {named("key="+strings.Repeat("k", 129), sha256.New, sharedKey), both, "", fault.Unverified, "malformed_settings"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := newTwilio(t).Verify(t.Context(), c.r, c.who)
			require.Equal(t, c.token, v.Token)
			if c.token == "" {
				require.Equal(t, c.reason, fault.ReasonOf(err))
				require.Equal(t, c.class, fault.ClassOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, account, v.Signer)
		})
	}
}

// A header that is there and empty names a key as well: nobody chooses the token
// by it. Nor do two headers.
func TestSettingsThatSayNothingAreNotLeftOut(t *testing.T) {
	t.Parallel()
	for _, values := range [][]string{{""}, {}, {sha256Settings, sha256Settings}} {
		r := named("", sha1.New, token)
		r.Header[settingsHeader] = values
		requireRefused(t, newTwilio(t), r, having(tokenOnRecord), fault.Unverified, "malformed_settings")
	}
}

// What stands in for a key that is not there opens nothing, at the same cost.
func TestUnknownKeyCostsTheSame(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the whole process
	tw := newTwilio(t)
	r := named(sha256Settings, sha256.New, "a token that no account has had.")
	requireRefused(t, tw, r, having(tokenOnRecord), fault.Unregistered, "unknown_key")
	r.Header.Set("X-Twilio-Signature", signWith(sha256.New, "another", baseURL, nil))
	cost := func(s provider.Signers) float64 {
		return testing.AllocsPerRun(100, func() { _, _ = tw.Verify(t.Context(), r, s) })
	}
	known := cost(having(shared(tenants.AlgorithmHMACSHA256)))
	require.InDelta(t, known, cost(having(tokenOnRecord)), 2)
	require.InDelta(t, known, cost(providertest.Nobody(provider.Unknown)), 2)
}

func TestAFoundSecretIsTriedAsTheRequestNamesIt(t *testing.T) {
	t.Parallel()
	found := provider.Secret{ID: "found", Value: []byte(sharedKey)}
	r := named(sha256Settings, sha256.New, sharedKey)
	v, err := newTwilio(t).Verify(t.Context(), r, having(twilio.SignedWith(r, found)))
	require.NoError(t, err)
	require.Equal(t, "found", v.Token)
	require.Equal(t, found, twilio.SignedWith(post(statusURI, statusForm("sent")), found))
}
