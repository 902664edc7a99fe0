package stripe_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider/stripe"
)

func TestSpellingsUndoWhatHappenedOnTheWay(t *testing.T) {
	t.Parallel()
	const compact, pretty = `{"id":"evt_1","a":[1]}`, "{\n  \"id\": \"evt_1\",\n  \"a\": [\n    1\n  ]\n}"
	for name, c := range map[string]struct{ signed, came, want string }{
		"nothing":          {compact, compact, ""},
		"line break added": {compact, compact + "\r\n", "the body had no line break at its end"},
		"line break lost":  {compact + "\n", compact, "the body had a line break at its end"},
		"CRLF":             {pretty, strings.ReplaceAll(pretty, "\n", "\r\n"), "the body's line ends were LF"},
		"mark":             {"not JSON", "\xef\xbb\xbfnot JSON", "the body began without a byte order mark"},
		"made pretty":      {compact, pretty, "the body was compact JSON: it was written anew on the way"},
		"made compact":     {pretty, compact, "the body was JSON with its line breaks: it was written anew on the way"},
		"a value more":     {compact, `{"id":"evt_1","a":[1,2]}`, "nothing"},
	} {
		r := request(header(secret, received, c.signed), c.came)
		got := "nothing"
		for _, s := range stripe.Spellings(r) {
			if _, err := stripe.New(stripe.Tolerance).Verify(t.Context(), &s.Request, registered()); err == nil {
				got = strings.Join(s.How, "; ")
				break
			}
		}
		require.Equal(t, c.want, got, name)
		require.Equal(t, c.came, string(r.Body), "what came is not touched")
	}
}
