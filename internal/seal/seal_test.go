package seal_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/seal"
)

const name = "twilio/AC00000000000000000000000000000001"

// sealedOnce is "secret", sealed by the first version.
const sealedOnce = "AVHDhfATIYjOySuoCVdIkJ3AmqdS4a7l/JjUiPUfi2dKgItF107m"

func newKey(t *testing.T) *seal.Key {
	t.Helper()
	k, err := seal.ParseKey(seal.NewKey())
	require.NoError(t, err)
	return k
}

func TestSealOpen(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOf(rapid.Byte()).Draw(t, "secret")
		name := rapid.String().Draw(t, "name")
		got, err := k.Open(k.Seal(secret, name), name)
		require.NoError(t, err)
		require.Equal(t, string(secret), string(got))
	})
}

func TestSealedTextHidesTheSecret(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	secret := []byte("an auth token of thirty-two chars")
	first, second := k.Seal(secret, name), k.Seal(secret, name)
	require.NotContains(t, string(first), string(secret))
	require.NotEqual(t, first, second, "the same secret sealed twice must not look the same")
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	sealed := k.Seal([]byte("secret"), name)

	_, err := newKey(t).Open(sealed, name)
	require.ErrorIs(t, err, seal.ErrUnknown, "another key")
	_, err = k.Open(sealed, "twilio/AC00000000000000000000000000000002")
	require.ErrorIs(t, err, seal.ErrDamaged, "another account")
	_, err = k.Open(append(sealed[:len(sealed):len(sealed)], 0), name)
	require.ErrorIs(t, err, seal.ErrDamaged, "one byte more")
	for n := range sealed {
		_, err = k.Open(sealed[:n], name)
		require.Error(t, err, "cut to %d bytes", n)
	}
}

func TestOpenRefusesEveryFlippedBit(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	sealed := k.Seal([]byte("secret"), name)
	for i := range sealed {
		for bit := range 8 {
			sealed[i] ^= 1 << bit
			_, err := k.Open(sealed, name)
			require.Error(t, err, "byte %d, bit %d", i, bit)
			sealed[i] ^= 1 << bit
		}
	}
	_, err := k.Open(sealed, name)
	require.NoError(t, err, "the test must put back what it changed")
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	good := seal.NewKey()
	_, err := seal.ParseKey(good)
	require.NoError(t, err)
	for _, bad := range []string{
		"", "secret", good[:20], good + good, good + "!",
		base64.StdEncoding.EncodeToString(make([]byte, 31)),
		base64.StdEncoding.EncodeToString(make([]byte, 33)),
		strings.Repeat("ab", 32), // 32 bytes in hexadecimal
	} {
		_, err := seal.ParseKey(bad)
		require.ErrorIs(t, err, seal.ErrKey)
		if bad != "" {
			require.NotContains(t, err.Error(), bad, "the error must not quote the key")
		}
	}
	require.NotEqual(t, good, seal.NewKey())
}

// A sealed secret lies in PostgreSQL for years: what was sealed once must open
// for ever.
func TestOpenWhatWasSealedOnce(t *testing.T) {
	t.Parallel()
	k, err := seal.ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	require.NoError(t, err)
	sealed, err := base64.StdEncoding.DecodeString(sealedOnce)
	require.NoError(t, err)
	got, err := k.Open(sealed, name)
	require.NoError(t, err)
	require.Equal(t, "secret", string(got))
}

// While keys are changed the first seals, and what any of them sealed opens.
func TestSeveralKeys(t *testing.T) {
	t.Parallel()
	a, b := seal.NewKey(), seal.NewKey()
	parse := func(s string) *seal.Key {
		k, err := seal.ParseKey(s)
		require.NoError(t, err)
		return k
	}
	old, both, fresh := parse(a), parse(b+", "+a), parse(b)
	before, after := old.Seal([]byte("secret"), name), both.Seal([]byte("secret"), name)
	for _, sealed := range [][]byte{before, after} {
		got, err := both.Open(sealed, name)
		require.NoError(t, err)
		require.Equal(t, "secret", string(got))
		_, err = both.Open(sealed, "another")
		require.ErrorIs(t, err, seal.ErrDamaged)
	}
	require.False(t, both.Sealed(before))
	require.True(t, both.Sealed(after))
	require.True(t, old.Sealed(before))
	require.False(t, both.Sealed(nil))
	_, err := fresh.Open(before, name)
	require.ErrorIs(t, err, seal.ErrUnknown)
	_, err = fresh.Open(after, name)
	require.NoError(t, err)
	_, err = both.Open(newKey(t).Seal([]byte("secret"), name), name)
	require.ErrorIs(t, err, seal.ErrUnknown)
	for _, bad := range []string{a + ",", "," + a, a + ",,", a + "," + b[:20], a + " " + b} {
		_, err := seal.ParseKey(bad)
		require.ErrorIs(t, err, seal.ErrKey, "%q", bad)
	}
}

func TestAKeyNeverPrints(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		require.Equal(t, "***", fmt.Sprintf(verb, k))
	}
}
