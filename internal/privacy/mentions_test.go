package privacy_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/privacy"
)

func TestARecordMentionsAPersonInEverySpelling(t *testing.T) {
	t.Parallel()
	names := []string{"+12025550177", "whatsapp:+12025550178", "ada@canary.example", "5d1f0000-0000-4000-8000-00000000c0de"}
	for name, c := range map[string]struct {
		value string
		want  bool
	}{
		"JSON":                     {`{"to":"+12025550177"}`, true},
		"form":                     {url.Values{"To": {"+12025550177"}}.Encode(), true},
		"form, small letters":      {"To=%2b12025550177&x=%zz%4", true},
		"WhatsApp":                 {url.Values{"From": {"whatsapp:+12025550178"}}.Encode(), true},
		"e-mail in a name":         {`"Ada <ADA@Canary.example>"`, true},
		"e-mail in a form":         {"a=ada%40canary.example", true},
		"JSON inside JSON":         {`{"Message":"{\"destination\":[\"ada@canary.example\"]}"}`, true},
		"customer":                 {`{"customer_id":"5D1F0000-0000-4000-8000-00000000C0DE"}`, true},
		"at the second place":      {"+120255501770 +12025550177", true},
		"a longer number":          {"+120255501770", false},
		"a longer e-mail":          {"xada@canary.example", false},
		"a longer domain":          {"ada@canary.examples", false},
		"a longer mailbox":         {"x.ada@canary.example", false},
		"a domain below":           {"ada@canary.example.net", false},
		"the end of a sentence":    {"write to ada@canary.example.", true},
		"nothing":                  {"", false},
		"the digits without a +":   {"12025550177", false},
		"another person's address": {"+12025550179", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, privacy.Mentions(&events.Record{Value: []byte(c.value)}, names))
			require.Equal(t, c.want, privacy.Mentions(&events.Record{Headers: []events.Header{{Key: "http_uri", Value: []byte(c.value)}}}, names))
		})
	}
	require.False(t, privacy.Mentions(&events.Record{Value: []byte("anything")}, []string{""}))
}
