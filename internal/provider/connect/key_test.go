package connect_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
)

func TestHolder(t *testing.T) {
	t.Parallel()
	secret := func(algorithm, value string) provider.Secret {
		return provider.Secret{ID: "id of " + value, Algorithm: algorithm, Value: []byte(value)}
	}
	signers := []provider.Signer{
		{Name: "none"},
		{Name: "a", Secrets: []provider.Secret{secret("api_key", "key-a"), secret("firehose_key", "stream-a"), secret("firehose_key", "stream-a2")}},
		{Name: "b", Secrets: []provider.Secret{secret("api_key", "key-b"), secret("firehose_key", "shared")}},
		{Name: "c", Secrets: []provider.Secret{secret("api_key", "key-c"), secret("api_key", "key-c"), secret("firehose_key", "shared")}},
		{Name: "", Secrets: []provider.Secret{secret("firehose_key", "nameless"), secret("", "plain")}},
	}
	empty := append([]provider.Signer{{Name: "e", Secrets: []provider.Secret{secret("firehose_key", "")}}}, signers...)
	lost := append([]provider.Signer{{Name: "l", Secrets: []provider.Secret{{}}}}, signers...)
	other := append([]provider.Signer{{Name: "o", Secrets: []provider.Secret{secret("api_key", ""), secret("instance_arn", "")}}}, signers...)
	topic := append([]provider.Signer{{Name: topicARN, Secrets: []provider.Secret{{}}}}, signers...)
	const firehose, api = connect.HeaderFirehoseKey, connect.HeaderAPIKey
	for _, c := range []struct {
		name, header string
		given        []string
		signers      []provider.Signer
		k            provider.Knowledge
		holder, want string
		class        fault.Class
	}{
		{"a stream's", firehose, []string{"stream-a"}, signers, provider.Known, "a", "", 0},
		{"a stream's second, in rotation", firehose, []string{"stream-a2"}, signers, provider.Unsure, "a", "", 0},
		{"a destination's", api, []string{"key-b"}, signers, provider.Known, "b", "", 0},
		{"twice the same", api, []string{"key-c"}, signers, provider.Known, "c", "", 0},
		{"beside an empty one", firehose, []string{"stream-a"}, empty, provider.Known, "a", "", 0},
		{"one for the other way", firehose, []string{"key-a"}, signers, provider.Known, "", "bad_key", fault.Unverified},
		{"of two", firehose, []string{"shared"}, signers, provider.Known, "", "bad_key", fault.Unverified},
		{"of nobody", firehose, []string{"nameless"}, signers, provider.Known, "", "bad_key", fault.Unverified},
		{"cut", firehose, []string{"stream-"}, signers, provider.Known, "", "bad_key", fault.Unverified},
		{"unknown", firehose, []string{"x"}, signers, provider.Known, "", "bad_key", fault.Unverified},
		{"unknown, nobody registered", firehose, []string{"x"}, nil, provider.Unknown, "", "bad_key", fault.Unverified},
		{"unknown, snapshot unsure", firehose, []string{"x"}, signers, provider.Unsure, "", "unsure_key", fault.Unavailable},
		{"unknown, somebody's is empty", firehose, []string{"x"}, empty, provider.Known, "", "empty_key", fault.Unavailable},
		{"unknown, of somebody's it is not known what for", firehose, []string{"x"}, lost, provider.Known, "", "empty_key", fault.Unavailable},
		{"unknown, somebody's for the other way is empty", firehose, []string{"x"}, other, provider.Known, "", "bad_key", fault.Unverified},
		{"unknown, somebody's for this way is empty", api, []string{"x"}, other, provider.Known, "", "empty_key", fault.Unavailable},
		{"unknown, a topic's record is lost", firehose, []string{"x"}, topic, provider.Known, "", "bad_key", fault.Unverified},
		{"absent", firehose, nil, empty, provider.Known, "", "missing_key", fault.Unverified},
		{"empty", firehose, []string{""}, empty, provider.Known, "", "missing_key", fault.Unverified},
		{"twice", firehose, []string{"stream-a", "stream-a"}, signers, provider.Known, "", "missing_key", fault.Unverified},
		{"too long", firehose, []string{strings.Repeat("k", 4097)}, signers, provider.Known, "", "missing_key", fault.Unverified},
		{"in a header of neither", "X-Other", []string{"plain"}, signers, provider.Known, "", "bad_key", fault.Unverified},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for _, v := range c.given {
				h.Add(c.header, v)
			}
			got, keyID, err := connect.Holder(h, c.header, c.signers, c.k)
			require.Equal(t, c.holder, got)
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, "id of "+c.given[0], keyID)
				return
			}
			require.Empty(t, keyID)
			require.EqualError(t, err, c.want)
			require.Equal(t, c.class, fault.ClassOf(err))
			require.Contains(t, connect.KeyReasons(), c.want)
		})
	}
}
