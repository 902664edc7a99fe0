package ses_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/ses"
)

// FuzzParse feeds the parser what the owner of a topic could publish.
func FuzzParse(f *testing.F) {
	for _, s := range samples() {
		f.Add(text(f, s.message))
		f.Add(text(f, feedback(s.message)))
	}
	f.Add("Successfully validated SNS topic for Amazon SES event publishing.\n")
	f.Add(`{"notificationType":"Received"}`)
	f.Add(`{"eventType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"a\u0000<\ud800>"}]},"mail":{"messageId":"a"}}`)
	dir, _ := providertest.TryVectors("ses")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(f, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, message string) {
		p, ignored, err := parseText(message)
		require.NotEmpty(t, p.EventID)
		again, _, _ := parseText(message)
		require.Equal(t, p, again)
		for _, k := range append(p.Evidence.Resources, p.Evidence.Senders...) {
			require.LessOrEqual(t, len(k.Value), 320)
			require.Equal(t, events.Text(k.Value), k.Value)
		}
		if ignored != "" {
			require.NoError(t, err)
			require.Nil(t, p.Message)
			return
		}
		providertest.Sound(t, p, err)
		if err != nil {
			require.Contains(t, ses.Invalid(), fault.ReasonOf(err))
			return
		}
		require.True(t, p.Message.Status != "" || len(p.Message.Facts) > 0, "it tells something")
		for _, r := range p.Message.Recipients {
			require.NotEmpty(t, r.Address)
			require.LessOrEqual(t, len(r.Address), 320)
			require.Equal(t, events.Text(r.Address), r.Address)
		}
		m := *p.Message
		m.EventID, m.Org, m.Row, m.Receipt = p.EventID, "o", "r", "x"
		rec, err := m.Record()
		require.NoError(t, err)
		back, err := events.DecodeMessage(&rec)
		require.NoError(t, err)
		back.Packed = nil
		require.Equal(t, m, back, "nothing is lost on the way")
	})
}
