package provider_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
)

// Whoever prints a signer shows none of its secrets: not as text, not as the
// numbers of its bytes, not in hexadecimal.
func TestSecretsNeverPrint(t *testing.T) {
	t.Parallel()
	value := []byte("canary-7f3a")
	secret := provider.Secret{ID: "id", Name: "name", Algorithm: "a", Value: value}
	signer := provider.Signer{Name: "AC1", Secrets: []provider.Secret{secret}}
	var said bytes.Buffer
	for _, v := range []any{secret, &secret, signer, &signer, []provider.Signer{signer}, map[string]provider.Signer{"x": signer}, secret.Value} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&said, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&said, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&said, nil)).Info("x", "v", v)
		require.NoError(t, json.NewEncoder(&said).Encode(v))
	}
	require.Contains(t, said.String(), "AC1")
	for _, form := range []string{"%s", "%x", "%X", "%d", "% x"} {
		inside := bytes.Trim(fmt.Appendf(nil, form, value), "[]")
		require.NotContains(t, said.String(), string(inside))
	}
	require.NotContains(t, said.String(), "Y2FuYXJ5", "base64")
}

func TestRegistered(t *testing.T) {
	t.Parallel()
	for k, want := range map[provider.Knowledge][2]bool{
		provider.Unknown: {false, true}, provider.Unsure: {false, false},
	} {
		registered, certain := provider.Registered(providertest.Nobody(k), events.SES)("topic")
		require.Equal(t, want, [2]bool{registered, certain})
	}
	registered, certain := provider.Registered(knows{}, events.SES)("topic")
	require.True(t, registered && certain)
	registered, certain = provider.Registered(knows{}, events.Connect)("topic")
	require.False(t, registered)
	require.True(t, certain)
}

// knows is a complete snapshot of one topic of SES.
type knows struct{}

func (knows) Signer(p events.Provider, name string) (provider.Signer, provider.Knowledge) {
	if p == events.SES && name == "topic" {
		return provider.Signer{Name: name}, provider.Known
	}
	return provider.Signer{}, provider.Unknown
}

func (knows) Signers(events.Provider) ([]provider.Signer, provider.Knowledge) {
	return nil, provider.Unknown
}
