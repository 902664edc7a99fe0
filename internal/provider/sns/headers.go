package sns

import (
	"net/http"

	"waybill/internal/events"
)

// headerID is the message's id, as a name of the event.
const headerID = "X-Amz-Sns-Message-Id"

// maxKept bounds a header that is kept, in bytes.
const maxKept = 256

// Claimed tells whether a request says that it comes from SNS.
func Claimed(h http.Header) bool {
	return h.Values(headerType) != nil || h.Values(headerRawDelivery) != nil
}

// Kept returns the headers that name the message, with names in lower case, for
// the raw record. They are not signed.
func Kept(h http.Header) []events.Header {
	var out []events.Header
	for _, k := range []struct{ name, header string }{
		{"x-amz-sns-message-type", headerType}, {"x-amz-sns-message-id", headerID},
	} {
		if v := h.Get(k.header); v != "" && len(v) <= maxKept {
			out = append(out, events.Header{Key: k.name, Value: []byte(v)})
		}
	}
	return out
}
