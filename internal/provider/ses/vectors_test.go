package ses_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider/providertest"
	"waybill/internal/provider/ses"
	"waybill/internal/tenantmap"
)

// listed is a message of the manifest.
type listed struct {
	File   string `json:"file"`
	Format string `json:"format"`
	Type   string `json:"type"`
	ID     string `json:"message_id"`
}

// expected is what each file tells: status, code, recipients, fact, as samples
// have them.
var expected = map[string][4]string{
	"event-send.json":                        {"sent", "", "recipient@example.com", ""},
	"event-delivery.json":                    {"delivered", "", "recipient@example.com", ""},
	"event-bounce.json":                      {"bounced_permanent", "general", "recipient@example.com=5.1.1", ""},
	"event-complaint.json":                   {"", "", "recipient@example.com", "complaints=abuse"},
	"event-reject.json":                      {"rejected", "bad_content", "", ""},
	"event-open.json":                        {"", "", "recipient@example.com", "opens"},
	"event-click.json":                       {"", "", "recipient@example.com", "clicks"},
	"event-rendering-failure.json":           {"rendering_failed", "", "", ""},
	"event-deliverydelay.json":               {"delayed", "transient_communication_failure", "recipient@example.com=4.4.1", ""},
	"event-subscription.json":                {"", "", "recipient@example.com", "unsubscribes=all"},
	"notification-bounce-dsn.json":           {"bounced_permanent", "general", "jane@example.com=5.1.1", ""},
	"notification-bounce-no-dsn.json":        {"bounced_permanent", "general", "jane@example.com richard@example.com", ""},
	"notification-complaint-report.json":     {"", "", "richard@example.com", "complaints=abuse"},
	"notification-complaint-no-report.json":  {"", "", "richard@example.com", "complaints"},
	"notification-delivery.json":             {"delivered", "", "jane@example.com", ""},
	"anymail-notification-bounce-tags.json":  {"bounced_permanent", "general", "jane@example.com=5.1.1", ""},
	"anymail-notification-bounce-multi.json": {"bounced_permanent", "general", "jane@example.com richard@example.com", ""},
}

func TestVectors(t *testing.T) {
	t.Parallel()
	dir := providertest.Vectors(t, "ses")
	var manifest []listed
	providertest.ReadJSON(t, filepath.Join(dir, "manifest.json"), &manifest)
	require.Len(t, manifest, len(expected))
	var n providertest.Tally
	for _, l := range manifest {
		n.Claimed++
		if t.Run(l.File, func(t *testing.T) { l.check(t, dir) }) {
			n.AsIs++
		}
	}
	n.Log(t, "ses")

	var envelope struct{ Message string }
	providertest.ReadJSON(t, filepath.Join(dir, "..", "sns", "own", "own-ses-validation-text-v2.json"), &envelope)
	_, ignored, err := parseText(envelope.Message)
	require.NoError(t, err)
	require.Equal(t, ses.IgnoredSetUp, ignored)
}

func (l *listed) check(t *testing.T, dir string) {
	b, err := os.ReadFile(filepath.Join(dir, l.File))
	require.NoError(t, err)
	var named struct{ EventType, NotificationType string }
	require.NoError(t, json.Unmarshal(b, &named))
	require.Equal(t, l.Type, named.EventType+named.NotificationType)
	require.Equal(t, l.Format == "event-publishing", named.EventType != "")

	p, ignored, err := parseText(string(b))
	require.NoError(t, err)
	require.Empty(t, ignored)
	recipients, fact := told(p.Message)
	want := expected[l.File]
	require.Equal(t, want, [4]string{p.Message.Status, p.Message.ErrorCode, recipients, fact})
	require.Equal(t, l.ID, p.Message.ProviderID)
	require.Equal(t, l.ID, p.Evidence.ProviderID)
	require.Equal(t, "ses:"+l.ID, p.Evidence.Resources[0].Value)
	require.NotNil(t, p.Message.OccurredAt)
	if strings.HasPrefix(l.File, "anymail-notification-bounce-multi") {
		return // says nothing of who sent it
	}
	require.Equal(t, "123456789012", p.Message.Account)
	require.NotContains(t, p.Message.From, "<")
	require.Contains(t, p.Evidence.Senders, tenantmap.SenderKey("example.com"))
	require.Contains(t, p.Evidence.Senders, tenantmap.SenderKey(p.Message.From))
}
