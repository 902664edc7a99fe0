package seal_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/seal"
)

// FuzzOpen opens what anybody who can write to the database could put there.
// Nothing opens but what was sealed, under the name it was sealed for.
func FuzzOpen(f *testing.F) {
	k, err := seal.ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	require.NoError(f, err)
	sealed, err := base64.StdEncoding.DecodeString(sealedOnce)
	require.NoError(f, err)
	f.Add(sealed, name)
	f.Add(sealed, name+"0")
	f.Add(sealed[:17], "")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, box []byte, place string) {
		secret, err := k.Open(box, place)
		if bytes.Equal(box, sealed) && place == name {
			require.NoError(t, err)
			require.Equal(t, "secret", string(secret))
			return
		}
		require.Error(t, err)
		require.Empty(t, secret)
		require.Contains(t, []error{seal.ErrUnknown, seal.ErrDamaged}, err)
	})
}

// FuzzKey reads keys. What is taken is 32 bytes in one spelling or another, and
// opens what it sealed.
func FuzzKey(f *testing.F) {
	f.Add("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	f.Add("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=")
	f.Add("")
	f.Add("secret")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := seal.ParseKey(text)
		if err != nil {
			require.Nil(t, k)
			require.ErrorIs(t, err, seal.ErrKey)
			return
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		require.Len(t, raw, 32)
		got, err := k.Open(k.Seal([]byte(text), name), name)
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	})
}
