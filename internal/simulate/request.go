package simulate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Request is one callback, ready to be sent: a repeat is the same bytes again.
type Request struct {
	Method string
	Path   string // with query
	Header http.Header
	Body   []byte
}

// Client sends requests to one Waybill. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client that keeps up to conns connections to base open.
func NewClient(base string, conns int) *Client {
	t := &http.Transport{
		MaxIdleConns: conns, MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns,
		IdleConnTimeout: time.Minute, DisableCompression: true,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}
	return &Client{base: base, http: &http.Client{Transport: t, Timeout: 15 * time.Second}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do sends a request and returns the answer's status. An error means that it
// was not answered: the request may have been taken or not.
func (c *Client) Do(ctx context.Context, r *Request) (int, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, c.base+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return 0, fmt.Errorf("making a request: %w", err)
	}
	req.Header = r.Header
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("sending a callback: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, fmt.Errorf("reading an answer: %w", err)
	}
	return resp.StatusCode, nil
}
