package ses_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/sns"
)

// envelope is a message as SNS delivers it.
func envelope(kind, message string) object {
	return object{
		"Type": kind, "MessageId": snsID, "TopicArn": topic, "Message": message, "Timestamp": published.Format("2006-01-02T15:04:05.000Z"),
		"SignatureVersion": "2", "Token": "2336412f37", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
	}
}

// rawOf is an envelope as ingest keeps it.
func rawOf(t testing.TB, kind events.Kind, signer string, e object) *events.Raw {
	t.Helper()
	body, err := json.Marshal(e)
	require.NoError(t, err)
	return &events.Raw{
		Receipt: events.NewReceiptID(), Provider: events.SES, Kind: kind, Signer: signer, Key: emailID,
		Method: "POST", URI: "/api/webhooks/email", Body: body, ReceivedAt: received,
	}
}

// What is kept says what its message says.
func TestParserReadsTheMessage(t *testing.T) {
	t.Parallel()
	require.Equal(t, events.SES, ses.Parser{}.Provider())
	for _, s := range samples() {
		want := parse(t, s.message)
		p, err := ses.Parser{}.Parse(rawOf(t, events.KindEmail, topic, envelope("Notification", text(t, s.message))))
		require.NoError(t, err, s.name)
		require.Equal(t, want, p, s.name)
		providertest.Sound(t, p, err)
	}
}

func TestParserIgnores(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"Successfully validated SNS topic for Amazon SES event publishing.": ses.IgnoredSetUp,
		`{"notificationType":"AmazonSnsSubscriptionSucceeded"}`:             ses.IgnoredSetUp,
		`{"notificationType":"Received"}`:                                   ses.IgnoredInbound,
	} {
		p, err := ses.Parser{}.Parse(rawOf(t, events.KindEmail, topic, envelope("Notification", message)))
		require.NoError(t, err)
		require.Equal(t, want, p.Ignored)
		require.Equal(t, events.EventID("ses/"+topic+"/email.event/"+snsID), p.EventID)
		providertest.Sound(t, p, err)
	}
}

func TestParserReadsTopicControl(t *testing.T) {
	t.Parallel()
	p, err := ses.Parser{}.Parse(rawOf(t, events.KindTopic, topic, envelope("SubscriptionConfirmation", "You have chosen")))
	require.NoError(t, err)
	providertest.Sound(t, p, err)
	require.Equal(t, events.EventID("ses/"+topic+"/topic.control/"+snsID), p.EventID)
	require.Equal(t, topic, p.Evidence.ProviderID)
	require.Equal(t, sns.IgnoredSubscribe, p.Ignored)
	require.Equal(t, &events.Confirmation{
		EventID: p.EventID, Provider: events.SES, TopicARN: topic, Token: "2336412f37", ReceivedAt: received,
	}, p.Confirm)

	p, err = ses.Parser{}.Parse(rawOf(t, events.KindTopic, topic, envelope("UnsubscribeConfirmation", "You have chosen")))
	require.NoError(t, err)
	providertest.Sound(t, p, err)
	require.Equal(t, sns.IgnoredUnsubscribe, p.Ignored)
	require.Nil(t, p.Confirm, "who ended a subscription may have meant it")
}

func TestParserBadInput(t *testing.T) {
	t.Parallel()
	const other = "arn:aws:sns:eu-west-1:111122223333:another"
	note := envelope
	for _, c := range []struct {
		name   string
		kind   events.Kind
		signer string
		body   object
		want   string
		class  fault.Class
		named  bool
	}{
		{"no envelope", events.KindEmail, topic, object{"eventType": "Send"}, "bad_envelope", fault.Invalid, false},
		{"a confirmation among events", events.KindEmail, topic, note("SubscriptionConfirmation", "You"), "bad_envelope", fault.Invalid, false},
		{"another topic", events.KindEmail, other, note("Notification", "{}"), ses.ForbiddenTopic, fault.Forbidden, true},
		{"no JSON", events.KindEmail, topic, note("Notification", "hello"), "undecodable", fault.Invalid, true},
		{"no envelope to confirm", events.KindTopic, topic, object{"Type": "SubscriptionConfirmation"}, "malformed_envelope", fault.Invalid, false},
		{"an event among confirmations", events.KindTopic, topic, note("Notification", "{}"), "not_a_confirmation", fault.Invalid, true},
		{"another topic to confirm", events.KindTopic, other, note("SubscriptionConfirmation", "You"), ses.ForbiddenTopic, fault.Forbidden, true},
		{"another kind", events.KindCall, topic, note("Notification", "{}"), "unknown_kind", fault.Invalid, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := ses.Parser{}.Parse(rawOf(t, c.kind, c.signer, c.body))
			providertest.Sound(t, p, err)
			require.EqualError(t, err, c.want)
			require.Equal(t, c.class, fault.ClassOf(err))
			require.Equal(t, c.named, p.EventID != "")
			if c.named {
				require.Contains(t, string(p.EventID), "ses/"+c.signer+"/", "nobody can spend another's id")
			}
			require.Equal(t, provider.Parsed{EventID: p.EventID, Evidence: p.Evidence}, p)
		})
	}
}
