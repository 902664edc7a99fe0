package stripe

import (
	"bytes"
	"encoding/json"
	"slices"

	"waybill/internal/provider"
)

// Spellings returns a request as it may have left Stripe, as it came first: its
// body in the ways in which frameworks and whoever saved it change it.
func Spellings(r *provider.Request) []provider.Spelling {
	out := []provider.Spelling{{Request: *r}}
	add := func(how string, body []byte) {
		if bytes.Equal(body, r.Body) {
			return
		}
		other := *r
		other.Body = body
		out = append(out, provider.Spelling{Request: other, How: []string{how}})
	}
	add("the body had no line break at its end", bytes.TrimRight(r.Body, "\r\n"))
	add("the body had a line break at its end", slices.Concat(bytes.TrimRight(r.Body, "\r\n"), []byte("\n")))
	add("the body's line ends were LF", bytes.ReplaceAll(r.Body, []byte("\r\n"), []byte("\n")))
	add("the body began without a byte order mark", bytes.TrimPrefix(r.Body, []byte("\xef\xbb\xbf")))
	var text bytes.Buffer
	if json.Indent(&text, r.Body, "", "  ") == nil {
		add("the body was JSON with its line breaks: it was written anew on the way", bytes.TrimSpace(text.Bytes()))
	}
	text = bytes.Buffer{}
	if json.Compact(&text, r.Body) == nil {
		add("the body was compact JSON: it was written anew on the way", text.Bytes())
	}
	return out
}
