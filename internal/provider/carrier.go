package provider

import (
	"io"
	"net/http"
	"time"
)

// Carrier is a Verifier whose provider also sends many records in one request,
// more than may be held at once. Such a request is verified by its head: Verify
// finds no body in it.
type Carrier interface {
	Verifier
	// Deliver reads the body of a verified request to its end and hands out its
	// records, one at a time and in order, each with what it is kept under. The
	// records are the receiver's own. An error of each ends it and is returned as
	// it is; any other is a fault with one of Reasons, and records that were
	// handed out by then come again with the repeat.
	Deliver(r *Request, v Verified, body io.Reader, each func(Verified, []byte) error) (Delivered, error)
	// Reply returns what a request with this head is answered, with whatever
	// status. It tells no more than the status does.
	Reply(h http.Header, d Delivered, at time.Time, status int) (contentType string, body []byte)
}

// Delivered is one request of many records, read to its end.
type Delivered struct {
	ID    string // the provider's own; "" = not read
	Empty int    // records that held nothing
}
