package provider

import (
	"net/http"
	"strings"

	"waybill/internal/events"
)

// maxKept bounds a header that is kept, in bytes.
const maxKept = 256

// Kept returns the headers with these names for the raw record, in this order
// and with names in lower case. One that is empty or longer than 256 bytes is
// left out.
func Kept(h http.Header, names ...string) []events.Header {
	var out []events.Header
	for _, name := range names {
		if v := h.Get(name); v != "" && len(v) <= maxKept {
			out = append(out, events.Header{Key: strings.ToLower(name), Value: []byte(v)})
		}
	}
	return out
}
