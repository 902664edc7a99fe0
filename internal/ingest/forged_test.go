package ingest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

// What a request without a body says stands in its query, which is signed like
// anything else.
func TestAForgedRequestWithoutABodyIsRefused(t *testing.T) {
	t.Parallel()
	uri := statusPath + "?" + callback("sent").Encode()
	get := request{method: http.MethodGet, uri: uri}
	post := request{method: http.MethodPost, uri: uri, header: [][2]string{{"Content-Type", form}}}
	stripe := request{method: http.MethodPost, uri: stripePath, header: [][2]string{{"Content-Type", jsonType}}}
	another := twilioMAC("another token", publicURL+uri, nil)
	for name, forged := range map[string]request{
		"GET, not signed":                get,
		"GET, signed by another":         get.with(signature, another),
		"GET, signed for another status": get.with(signature, twilioMAC(token, publicURL+statusPath+"?"+callback("failed").Encode(), nil)),
		"POST, not signed":               post,
		"POST, signed by another":        post.with(signature, another),
		"Stripe, not signed":             stripe,
		"Stripe, signed for a body":      stripe.with("Stripe-Signature", "t=1,v1="+stripeMAC(time.Unix(1, 0), stripeBody)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, nil)
			require.Contains(t, []int{401, 403}, send(t, h.addr, forged.bytes()).status)
			require.Empty(t, h.broker.on(events.TopicRawTwilio))
			require.Empty(t, h.broker.on(events.TopicRawStripe))
			genuine := get.with(signature, twilioMAC(token, publicURL+uri, nil))
			require.Equal(t, 204, send(t, h.addr, genuine.bytes()).status)
		})
	}
}
