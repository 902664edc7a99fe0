package sends_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/provider/twilio"
	"waybill/internal/tenantmap"
	"waybill/sends"
)

// What Twilio is given comes back as evidence of the message or call.
func TestTwilioEchoesTheMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		make func(publicURL, id string) (string, error)
		path string
		kind events.Kind
		form string
	}{
		{sends.StatusCallback, "/api/webhooks/sms/status", events.KindMessageStatus, "MessageSid=SM0123456789abcdef0123456789abcdef&MessageStatus=sent"},
		{sends.CallStatusCallback, "/api/webhooks/voice/status", events.KindCall, "CallSid=CA0123456789abcdef0123456789abcdef&CallStatus=ringing"},
		{
			sends.RecordingStatusCallback, "/api/webhooks/voice/recording", events.KindRecording,
			"CallSid=CA0123456789abcdef0123456789abcdef&RecordingSid=RE0123456789abcdef0123456789abcdef&RecordingStatus=completed",
		},
	} {
		callback, err := c.make("https://hooks.example.com/waybill/", strings.ToUpper(id))
		require.NoError(t, err)
		require.Equal(t, "https://hooks.example.com/waybill"+c.path+"?wb="+id, callback)
		u, err := url.Parse(callback)
		require.NoError(t, err)
		const account = "AC0123456789abcdef0123456789abcdef"
		parsed, err := twilio.Parser{}.Parse(&events.Raw{
			Provider: events.Twilio, Kind: c.kind, Signer: account, URI: u.RequestURI(), Method: "POST", Body: []byte(c.form + "&AccountSid=" + account),
		})
		require.NoError(t, err)
		require.Contains(t, parsed.Evidence.Resources, tenantmap.EchoKey(id))
	}
}

func TestACallbackThatTwilioCouldNotSign(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "hooks.example.com", "ftp://hooks.example.com", "https://", "https://a:b@hooks.example.com", "https://h.example.com?x=1", "https://h.example.com#x", "https://%zz"} {
		_, err := sends.StatusCallback(base, id)
		require.Error(t, err, base)
	}
	_, err := sends.StatusCallback("https://hooks.example.com", "4711")
	require.ErrorContains(t, err, "not a UUID")
}

// A tag of Amazon SES may hold letters, digits, _ and - alone.
func TestATagOfSESMayHoldAMessagesID(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `^[A-Za-z0-9_-]{1,256}$`, sends.SESTag)
	require.Regexp(t, `^[A-Za-z0-9_-]{1,256}$`, id)
}
