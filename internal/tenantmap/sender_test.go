package tenantmap_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

func TestNormaliseSender(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"+15550100001":              "+15550100001",
		" +1 (555) 010-0001 ":       "+15550100001",
		"+44 20 7946 0018":          "+442079460018",
		"whatsapp:+1 555 010 0001":  "whatsapp:+15550100001",
		"whatsapp: +15550100001":    "whatsapp:+15550100001",
		"12345":                     "12345", // a short code has no country
		"15550100001":               "15550100001",
		"ACME Shop":                 "ACME Shop",
		"MG00000000000000000000000": "MG00000000000000000000000",
		"sip:alice@example.com":     "sip:alice@example.com",
		"client:alice":              "client:alice",
		"+":                         "+",
		"+0":                        "+0",
		"":                          "",
	} {
		require.Equal(t, want, tenantmap.NormaliseSender(in), "%q", in)
	}
	require.NotEqual(t, tenantmap.SenderKey("+15550100001"), tenantmap.SenderKey("whatsapp:+15550100001"),
		"an SMS number and a WhatsApp sender may belong to different organisations")
}

// Normalised once is normalised for good: the value is kept, sent and looked
// up again, and each time it meets NormaliseSender.
func FuzzNormaliseSender(f *testing.F) {
	for _, s := range []string{"+15550100001", "whatsapp:+1 555 010 0001", "whatsapp:whatsapp:", "+1;ext=5", "+390612345678", "+3100000000", "ACME", "+\x00", "+٣", "+5215512345678", "+54111523456789", "+54 0 11 15 2345 6789", "+554187654321"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := tenantmap.NormaliseSender(s)
		require.Equal(t, once, tenantmap.NormaliseSender(once), "%q", s)
	})
}

func TestSendKeys(t *testing.T) {
	t.Parallel()
	s := tenantmap.Send{Org: orgA}
	require.Empty(t, s.Keys())
	s.Echo = echoed
	require.Equal(t, []tenantmap.Key{echoed}, s.Keys())
	s.Resource = tenantmap.ResourceKey(events.Twilio, "SM1")
	require.Equal(t, []tenantmap.Key{known, echoed}, s.Keys())
}
