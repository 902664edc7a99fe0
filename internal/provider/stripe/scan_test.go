package stripe_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/provider/stripe"
)

// sameName requires that what the quick reading finds in a JSON text is what
// encoding/json finds there, and tells whether it found anything.
func sameName(t require.TestingT, body string) bool {
	mode, key, ok := stripe.Named([]byte(body))
	if !ok {
		require.Empty(t, mode+key)
		return false
	}
	if json.Valid([]byte(body)) {
		wantMode, wantKey := stripe.DecodedName([]byte(body))
		require.Equal(t, [2]string{wantMode, wantKey}, [2]string{mode, key}, body)
	}
	return true
}

// drawJSON draws a value in which the names and values that matter are common,
// in every spelling, at every depth.
func drawJSON(t *rapid.T, depth int) string {
	name := rapid.SampledFrom([]string{
		`"id"`, `"id"`, `"livemode"`, `"data"`, `"data"`, `"object"`, `"object"`, `"related_object"`, `"x"`, `"created"`, `"a:{\"id\\"`,
		`"ID"`, `"Livemode"`, `"DATA"`, `"obJect"`, `"i\u0064"`, `"l\u0069vemode"`, `"\u212aid"`, `"` + "\u212a" + `"`, `"ſ"`, `"Related_object"`, `""`,
	})
	leaf := rapid.SampledFrom([]string{
		`"evt_1"`, `"sub_2"`, `"cus-3.x"`, `""`, `"a b"`, `"\u0065vt"`, `"é"`, `"\""`, `"\\"`, `"\\\""`, `"}"`, `"]{"`, `true`, `false`, `null`, `0`, `-1.5e9`,
		`[]`, `{}`, `"` + strings.Repeat("x", 255) + `"`, `"` + strings.Repeat("x", 256) + `"`,
	})
	space := rapid.SampledFrom([]string{"", "", "", " ", "\n  ", "\t\r\n"})
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	if depth == 0 || kind == 0 {
		return leaf.Draw(t, "leaf")
	}
	n := rapid.IntRange(0, 5).Draw(t, "members")
	parts := make([]string, n)
	for i := range parts {
		value := space.Draw(t, "space") + drawJSON(t, depth-1) + space.Draw(t, "space")
		if kind > 1 {
			value = space.Draw(t, "space") + name.Draw(t, "name") + space.Draw(t, "space") + ":" + value
		}
		parts[i] = value
	}
	if kind > 1 {
		return "{" + strings.Join(parts, ",") + space.Draw(t, "space") + "}"
	}
	return "[" + strings.Join(parts, ",") + space.Draw(t, "space") + "]"
}

func TestNameIsThatOfTheJSON(t *testing.T) {
	t.Parallel()
	found := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		body := drawJSON(t, 4)
		require.True(t, json.Valid([]byte(body)), body)
		found[sameName(t, body)]++
		// Damage is no JSON, or other JSON.
		at := rapid.IntRange(0, len(body)-1).Draw(t, "at")
		sameName(t, body[:at])
		sameName(t, body[:at]+rapid.SampledFrom([]string{`"`, `{`, `}`, `,`, `:`, `\`, ` `, `x`, ``}).Draw(t, "instead")+body[at+1:])
	})
	require.Greater(t, found[true], 5, "the generator makes plain events")
	require.Greater(t, found[false], 5, "the generator makes others")
}

// What Stripe sends is read without encoding/json: that is what the scan is for.
func TestNameOfPlainEvents(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		subscriptionUpdated,
		large,
		`{"id":"evt_1","object":"v2.core.event","livemode":true,"related_object":{"id":"mtr_1","type":"billing.meter"}}`,
		`{"id":"evt_1","object":"v2.core.event","livemode":true,"related_object":null,"data":{"k":"\"}"},"ſ":1}`,
		"{\n  \"id\": \"evt_1\",\n  \"data\": {\n    \"object\": {}\n  },\n  \"livemode\": false\n}\n",
	} {
		require.True(t, sameName(t, body), body)
	}
	for _, body := range []string{
		``, ` `, `{`, `{}x`, `[]`, `{"id":"evt_1"}{`, `{"id":"evt_1","id":"evt_2"}`, `{"ID":"evt_1"}`, `{"i\u0064":"evt_1"}`, `{"id":"\u0065vt"}`,
		`{"id":"a b"}`, `{"livemode":null}`, `{"livemode":truer}`, `{"data":[]}`, `{"data":{"object":{"id":5}}}`, `{"id":"evt_1"`, `{"id":"evt_1`, `{"x":"\"`,
		`{"x":`, `{"x":[`, `{"x":["`, `{"x" 1}`, `{"x":1 "y":2}`, `{"livemode":true`, `{x:1}`, `{"x":}`,
	} {
		_, _, ok := stripe.Named([]byte(body))
		require.False(t, ok, body)
	}
}
