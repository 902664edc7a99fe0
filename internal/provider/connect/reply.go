package connect

import (
	"encoding/json"
	"time"

	"waybill/internal/events"
)

// ReplyType is the Content-Type of a reply to Firehose.
const ReplyType = "application/json"

// maxReplyID bounds a request id that a caller made up, in bytes.
const maxReplyID = 256

// Reply returns the body by which Firehose takes a request for answered: its
// own id again and the time. Anything else, with whatever status, counts as a
// failure. problem is "" for success, or else a constant that tells no more
// than the status does.
//
// requestID is the value of X-Amz-Firehose-Request-Id, or where that was not
// given the body's, which is the same.
func Reply(requestID string, at time.Time, problem string) []byte {
	if len(requestID) > maxReplyID {
		requestID = ""
	}
	b, err := json.Marshal(struct {
		RequestID string `json:"requestId"`
		Timestamp int64  `json:"timestamp"` // milliseconds
		Problem   string `json:"errorMessage,omitempty"`
	}{events.Text(requestID), at.UnixMilli(), problem})
	if err != nil {
		return nil // cannot happen: it is two texts and a number
	}
	return b
}
