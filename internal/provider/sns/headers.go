package sns

import "net/http"

// headerID is the message's id, as a name of the event.
const headerID = "X-Amz-Sns-Message-Id"

// Claimed tells whether a request says that it comes from SNS.
func Claimed(h http.Header) bool {
	return h.Values(headerType) != nil || h.Values(headerRawDelivery) != nil
}

// Headers returns the names of the headers that name the message, for the raw
// record. They are not signed.
func Headers() []string { return []string{headerType, headerID} }
