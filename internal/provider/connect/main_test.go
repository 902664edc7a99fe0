package connect_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/providertest"
	"waybill/internal/tenantmap"
)

const (
	instance = "arn:aws:connect:us-west-2:123456789012:instance/12345678-1234-1234-1234-123456789012"
	captured = "arn:aws:connect:us-east-1:000000000000:instance/00000000-0000-4000-b000-000000000011"
	contact  = "22222222-2222-4222-8222-222222222222"
)

var received = time.Date(2026, 11, 23, 10, 5, 0, 0, time.UTC)

// rawOf returns a body as ingest keeps it.
func rawOf(kind events.Kind, signer string, body []byte) *events.Raw {
	return &events.Raw{
		Receipt: events.NewReceiptID(), Provider: events.Connect, Kind: kind, Signer: signer, Key: contact,
		Method: "POST", URI: "/api/webhooks/connect", Body: body, ReceivedAt: received,
	}
}

func parse(kind events.Kind, signer string, body []byte) (provider.Parsed, error) {
	return connect.Parser{}.Parse(rawOf(kind, signer, body))
}

// sound requires of the result of any Parse what the contract promises, and
// that it is the same again.
func sound(t testing.TB, raw *events.Raw) {
	t.Helper()
	p, err := connect.Parser{}.Parse(raw)
	again, errAgain := connect.Parser{}.Parse(raw)
	require.Equal(t, p, again)
	require.Equal(t, err, errAgain)
	if err == nil {
		require.NotNil(t, p.Call)
		require.NotEmpty(t, p.EventID)
		require.NotEmpty(t, p.Evidence.ProviderID)
		require.Equal(t, raw.Signer, p.Evidence.Signer)
		require.True(t, p.Call.Status != "" || len(p.Call.Facts) > 0, "it says something")
		for _, s := range []string{p.Call.From, p.Call.To, p.Call.ParentID, p.Call.ProviderID, string(p.EventID)} {
			require.Equal(t, events.Text(s), s, "storable")
		}
		_, err := json.Marshal(p.Call)
		require.NoError(t, err)
		return
	}
	require.Nil(t, p.Call)
	require.Regexp(t, `^[a-z][a-z0-9_]{2,40}$`, err.Error(), "a reason is a constant and nothing else")
	want := fault.Invalid
	if err.Error() == "instance_mismatch" {
		want = fault.Forbidden
	}
	require.Equal(t, want, fault.ClassOf(err))
}

// vector reads one file of the vectors.
func vector(t testing.TB, name string) []byte {
	t.Helper()
	var v json.RawMessage
	providertest.ReadJSON(t, providertest.Vectors(t, "connect")+"/"+name, &v)
	return v
}

// object returns a JSON object with some members set; nil removes one.
func object(t testing.TB, text string, set map[string]any) []byte {
	t.Helper()
	var o map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &o))
	for name, value := range set {
		if value == nil {
			delete(o, name)
			continue
		}
		o[name] = value
	}
	b, err := json.Marshal(o)
	require.NoError(t, err)
	return b
}

const topicARN = "arn:aws:sns:us-west-2:123456789012:connect-events"

// envelope returns a message as SNS delivers it, with more members.
func envelope(t testing.TB, kind, message string, more map[string]any) string {
	t.Helper()
	return string(object(t, `{
		"MessageId": "m-1", "TopicArn": "`+topicARN+`", "Timestamp": "2026-11-23T10:04:59.001Z", "SignatureVersion": "2",
		"Token": "2336412f37", "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription"
	}`, merged(more, map[string]any{"Type": kind, "Message": message})))
}

func merged(a, b map[string]any) map[string]any {
	out := maps.Clone(b)
	maps.Copy(out, a)
	return out
}

// golden returns what a golden file holds of what was read.
func golden(t testing.TB, p *provider.Parsed) []byte {
	t.Helper()
	b, err := json.MarshalIndent(struct {
		EventID  events.EventID
		Evidence tenantmap.Evidence
		Message  *events.Message
		Call     *events.Call
		Billing  *events.Billing
	}{p.EventID, p.Evidence, p.Message, p.Call, p.Billing}, "", "  ")
	require.NoError(t, err)
	return append(b, '\n')
}
