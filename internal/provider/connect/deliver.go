package connect

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"waybill/internal/events"
	"waybill/internal/provider"
)

// headerRequestID names a request of Firehose. Its repeats have the same, as far
// as Firehose can.
const headerRequestID = "X-Amz-Firehose-Request-Id"

// Names under which a raw record keeps where in which request it stood.
const (
	keptRequestID = "x-amz-firehose-request-id"
	keptDocument  = "x-waybill-document" // its number within the request, from 0
)

// Deliver implements [provider.Carrier].
func (c *Connect) Deliver(r *provider.Request, v provider.Verified, body io.Reader, each func(provider.Verified, []byte) error) (provider.Delivered, error) {
	named := r.Header.Get(headerRequestID)
	headers := slices.Clone(v.Headers)
	if isToken(named) {
		headers = append(headers, events.Header{Key: keptRequestID, Value: []byte(named)})
	}
	d, err := ReadDelivery(body, r.Header.Get("Content-Encoding"), named, func(doc Document) error {
		one := v
		one.Key = keyOf(v.Signer, r.Kind, doc.Body)
		number := strconv.Itoa(doc.Number)
		one.Headers = slices.Concat(headers, []events.Header{{Key: keptDocument, Value: []byte(number)}})
		return each(one, doc.Body)
	})
	return provider.Delivered{ID: d.RequestID, Empty: d.Empty}, err
}

// Reply implements [provider.Carrier].
func (c *Connect) Reply(h http.Header, d provider.Delivered, at time.Time, status int) (contentType string, body []byte) {
	id, problem := h.Get(headerRequestID), ""
	if id == "" {
		id = d.ID
	}
	if status != http.StatusOK {
		problem = http.StatusText(status)
	}
	return ReplyType, Reply(id, at, problem)
}
