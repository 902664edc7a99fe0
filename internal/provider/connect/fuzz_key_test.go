package connect_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/providertest"
)

// FuzzHolder presents keys. Whoever is told holds exactly that key for exactly
// that header, and nobody else does.
func FuzzHolder(f *testing.F) {
	for _, given := range []string{"key-a", "key-b", "", "\x00", "KEY-A", strings.Repeat("k", 4097)} {
		f.Add(true, given, "key-a", "key-b", "stream-a")
		f.Add(false, given, "key-a", "key-a", "")
	}
	if dir, ok := providertest.TryVectors("connect"); ok {
		var v struct {
			Request struct{ Headers map[string]string }
		}
		providertest.ReadJSON(f, filepath.Join(dir, "api-destination-request.json"), &v)
		require.NotEmpty(f, v.Request.Headers)
		for _, value := range v.Request.Headers {
			f.Add(true, value, value, "other", "stream-a")
		}
	}
	f.Fuzz(func(t *testing.T, api bool, given, first, second, stream string) {
		secret := func(algorithm, value string) provider.Secret {
			return provider.Secret{Algorithm: algorithm, Value: []byte(value)}
		}
		signers := []provider.Signer{
			{Name: "a", Secrets: []provider.Secret{secret("api_key", first), secret("firehose_key", stream)}},
			{Name: "b", Secrets: []provider.Secret{secret("api_key", second), secret("", given)}},
		}
		held := map[string][]string{connect.HeaderAPIKey: {first, second}, connect.HeaderFirehoseKey: {stream, ""}}
		header := connect.HeaderFirehoseKey
		if api {
			header = connect.HeaderAPIKey
		}
		var holders []string
		for i, key := range held[header] {
			if key != "" && key == given {
				holders = append(holders, signers[i].Name)
			}
		}
		got, _, err := connect.Holder(http.Header{header: {given}}, header, signers, provider.Known)
		if len(holders) == 1 && len(given) <= 4096 {
			require.NoError(t, err)
			require.Equal(t, holders[0], got)
			return
		}
		require.Empty(t, got)
		require.Contains(t, connect.KeyReasons(), fault.ReasonOf(err))
		require.Equal(t, fault.ReasonOf(err), err.Error(), "a refusal says its reason and nothing else")
	})
}
