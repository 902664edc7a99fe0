package providers_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider/sns"
)

const (
	baseURL    = "https://hooks.example.com"
	statusPath = "/api/webhooks/sms/status"
	token      = "0123456789abcdef0123456789abcdef"
	account    = "AC00000000000000000000000000000001"

	topicARN    = "arn:aws:sns:eu-west-1:111122223333:ses-events"
	instanceARN = "arn:aws:connect:us-west-2:123456789012:instance/12345678-1234-1234-1234-123456789012"
	certURL     = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00000000000000000000000000000000.pem"
)

var (
	now       = time.Date(2026, 11, 23, 10, 5, 0, 0, time.UTC)
	errNoJSON = errors.New("no JSON")
)

func clock() time.Time { return now }

// statusForm is a status callback as Twilio sends it.
func statusForm() url.Values {
	return url.Values{
		"AccountSid": {account}, "ApiVersion": {"2010-04-01"}, "From": {"+15550100001"}, "To": {"+15550100002"},
		"MessageSid": {"SM00000000000000000000000000000002"}, "SmsSid": {"SM00000000000000000000000000000002"},
		"MessageStatus": {"delivered"}, "SmsStatus": {"delivered"}, "MessagingServiceSid": {"MG00000000000000000000000000000004"},
		"RawDlrDoneDate": {"2611231003"},
	}
}

func sorted(form url.Values) []string { return slices.Sorted(maps.Keys(form)) }

// mac1 returns Twilio's signature of a string.
func mac1(signed string) string {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(signed))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// key is the key that SNS signs with here.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // the machine has no randomness
	}
	return k
})

// certificate serves the certificate of key for every URL.
func certificate(t testing.TB) sns.Fetch {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key().Public(), key())
	require.NoError(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return func(context.Context, string) ([]byte, error) { return text, nil }
}

// envelope is an SNS notification of a bounce, not yet signed.
func envelope(version string) map[string]string {
	return map[string]string{
		"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topicARN,
		"Subject": "Amazon SES Email Event Notification", "Message": bounce, "Timestamp": "2026-11-23T10:04:30.001Z",
		"SignatureVersion": version, "SigningCertURL": certURL,
		"UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=" + topicARN + ":2bcfbf39",
	}
}

// stringToSign is what SNS signs of a notification.
func stringToSign(e map[string]string) string {
	var b strings.Builder
	for _, name := range []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"} {
		b.WriteString(name + "\n" + e[name] + "\n")
	}
	return b.String()
}

// The bodies have the size and the shape of those that the providers send.
var (
	bounce = compact(map[string]any{
		"eventType": "Bounce",
		"bounce": map[string]any{
			"feedbackId": "0102018f3c9d4e5a-6f1b2c3d-000000", "bounceType": "Permanent", "bounceSubType": "General",
			"bouncedRecipients": []any{map[string]any{
				"emailAddress": "jane@example.com", "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown",
			}},
			"timestamp": "2026-11-23T10:04:29.000Z", "reportingMTA": "dsn; a1-2.smtp-out.eu-west-1.amazonses.com",
		},
		"mail": map[string]any{
			"timestamp": "2026-11-23T10:04:20.000Z", "source": "Ann's Shop <news@shop.example>", "sendingAccountId": "111122223333",
			"sourceArn": "arn:aws:ses:eu-west-1:111122223333:identity/shop.example",
			"messageId": "0102018f3c9d4e5a-6f1b2c3d-0000-4a4b-8c8d-0123456789ab-000000", "destination": []string{"jane@example.com"},
			"headersTruncated": false,
			"headers": []map[string]string{
				{"name": "From", "value": "Ann's Shop <news@shop.example>"},
				{"name": "To", "value": "jane@example.com"},
				{"name": "Subject", "value": "What is new in November"},
				{"name": "MIME-Version", "value": "1.0"},
				{"name": "Content-Type", "value": "multipart/alternative; boundary=\"----=_Part_7307378_1629847660.1516840721503\""},
			},
			"commonHeaders": map[string]any{"from": []string{"Ann's Shop <news@shop.example>"}, "to": []string{"jane@example.com"}, "subject": "What is new in November"},
			"tags":          map[string]any{"ses:configuration-set": []string{"news"}, "ses:source-ip": []string{"192.0.2.1"}, "ses:caller-identity": []string{"platform"}},
		},
	})
	contactEvent = compact(map[string]any{
		"version": "0", "id": "e-1", "detail-type": "Amazon Connect Contact Event", "source": "aws.connect", "account": "123456789012",
		"time": "2026-11-23T10:02:00Z", "region": "us-west-2", "resources": []string{instanceARN, instanceARN + "/contact/22222222-2222-4222-8222-222222222222"},
		"detail": map[string]any{
			"eventType": "DISCONNECTED", "contactId": "22222222-2222-4222-8222-222222222222", "instanceArn": instanceARN, "channel": "VOICE",
			"initiationMethod": "INBOUND", "initiationTimestamp": "2026-11-23T10:00:00.000Z", "disconnectTimestamp": "2026-11-23T10:02:00.000Z",
			"queueInfo": map[string]string{"queueArn": instanceARN + "/queue/q-1", "enqueueTimestamp": "2026-11-23T10:00:05.000Z", "queueType": "STANDARD"},
			"agentInfo": map[string]string{"agentArn": instanceARN + "/agent/a-1", "connectedToAgentTimestamp": "2026-11-23T10:00:20.000Z"},
			"tags":      map[string]string{"aws:connect:instanceId": "12345678-1234-1234-1234-123456789012", "aws:connect:systemEndpoint": "+15550100001"},
		},
	})
	contactRecord = compact(map[string]any{
		"AWSAccountId": "123456789012", "AWSContactTraceRecordFormatVersion": "2017-03-10", "ContactId": "22222222-2222-4222-8222-222222222222",
		"InstanceARN": instanceARN, "Channel": "VOICE", "InitiationMethod": "INBOUND", "InitiationTimestamp": "2026-11-23T10:00:00Z",
		"ConnectedToSystemTimestamp": "2026-11-23T10:00:01Z", "DisconnectTimestamp": "2026-11-23T10:02:00Z", "LastUpdateTimestamp": "2026-11-23T10:03:00Z",
		"DisconnectReason": "AGENT_DISCONNECT", "AgentConnectionAttempts": 2, "TransferredToEndpoint": nil, "NextContactId": nil, "PreviousContactId": nil,
		"Agent": map[string]any{
			"ARN": instanceARN + "/agent/a-1", "ConnectedToAgentTimestamp": "2026-11-23T10:00:20Z", "AgentInteractionDuration": 90,
			"AfterContactWorkDuration": 32, "CustomerHoldDuration": 8, "NumberOfHolds": 1, "LongestHoldDuration": 8, "Username": "agent-1",
			"HierarchyGroups": nil, "RoutingProfile": map[string]string{"ARN": instanceARN + "/routing-profile/r-1", "Name": "Basic"},
		},
		"Queue":            map[string]any{"ARN": instanceARN + "/queue/q-1", "Duration": 15, "EnqueueTimestamp": "2026-11-23T10:00:05Z", "Name": "Basic"},
		"CustomerEndpoint": map[string]string{"Address": "+15550100002", "Type": "TELEPHONE_NUMBER"},
		"SystemEndpoint":   map[string]string{"Address": "+15550100001", "Type": "TELEPHONE_NUMBER"},
		"Attributes":       map[string]string{"GreetingPlayed": "true", "language": "en", "campaign": "november"},
		"Recordings": []any{map[string]any{
			"Location": "recordings/2026/11/23/22222222.wav", "Status": "AVAILABLE", "StorageType": "S3", "MediaStreamType": "AUDIO", "DeletionReason": nil,
			"StartTimestamp": "2026-11-23T10:00:10Z", "StopTimestamp": "2026-11-23T10:01:40Z",
		}},
	})
	subscription = pretty(map[string]any{
		"id": "evt_1OxYzA2eZvKYlo2C", "object": "event", "api_version": "2026-09-30.dahlia", "created": now.Unix(), "livemode": true, "pending_webhooks": 1,
		"type": "customer.subscription.updated", "request": map[string]any{"id": nil, "idempotency_key": nil},
		"data": map[string]any{
			"previous_attributes": map[string]string{"status": "active"},
			"object": map[string]any{
				"id": "sub_1OxYzA2eZvKYlo2C", "object": "subscription", "customer": "cus_Pn1234567890", "status": "past_due", "currency": "eur",
				"billing_cycle_anchor": now.Unix(), "cancel_at_period_end": false, "canceled_at": nil, "collection_method": "charge_automatically",
				"days_until_due": nil, "default_payment_method": nil, "discounts": []any{}, "livemode": true, "metadata": map[string]string{"tier": "gold"},
				"payment_settings": map[string]any{"payment_method_options": nil, "payment_method_types": nil, "save_default_payment_method": "off"},
				"items":            map[string]any{"object": "list", "has_more": false, "total_count": 2, "url": "/v1/subscription_items", "data": []any{item(1), item(2)}},
			},
		},
	})
)

// item is one line of a subscription.
func item(n int) map[string]any {
	id := strconv.Itoa(n)
	return map[string]any{
		"id": "si_Pn123456789" + id, "object": "subscription_item", "created": now.Unix(), "metadata": map[string]any{}, "quantity": n, "tax_rates": []any{},
		"price": map[string]any{
			"id": "price_1OxYzA2eZvKYlo2C" + id, "object": "price", "active": true, "billing_scheme": "per_unit", "currency": "eur", "livemode": true,
			"lookup_key": nil, "nickname": nil, "product": "prod_Pn12345678" + id, "tax_behavior": "unspecified", "tiers_mode": nil, "type": "recurring",
			"recurring":   map[string]any{"aggregate_usage": nil, "interval": "month", "interval_count": 1, "trial_period_days": nil, "usage_type": "licensed"},
			"unit_amount": 1000 * n, "unit_amount_decimal": strconv.Itoa(1000 * n), "custom_unit_amount": nil, "transform_quantity": nil,
		},
	}
}

func compact(v any) string {
	b, _ := json.Marshal(v) // of texts, numbers, lists and objects alone
	return string(b)
}

// pretty is how Stripe writes.
func pretty(v any) string {
	b, _ := json.MarshalIndent(v, "", "  ")
	return string(b)
}
