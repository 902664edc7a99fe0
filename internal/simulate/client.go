package simulate

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Client sends requests to one Waybill over connections that it keeps open. It
// writes bytes and reads the status, nothing more, so that a load generator
// leaves the machine to what it measures. Unlike an http.Client it never sends
// a request twice by itself. It is safe for concurrent use.
type Client struct {
	host string // as the requests name it
	addr string // as it is dialled
	tls  *tls.Config
	idle chan *clientConn
	slot chan struct{} // one for each connection that may be open
}

// The client's times: what a provider waits for an answer (Twilio 15 s), and
// how long a connection may have been idle before it is not trusted any more.
const (
	answerWithin = 15 * time.Second
	dialWithin   = 5 * time.Second
	maxIdle      = 30 * time.Second
)

type clientConn struct {
	net.Conn
	in   *bufio.Reader
	out  []byte
	used time.Time
}

// NewClient returns a client that keeps up to conns connections to base open.
// A base that is no URL fails with the first request.
func NewClient(base string, conns int) *Client {
	c := &Client{idle: make(chan *clientConn, conns), slot: make(chan struct{}, conns)}
	u, err := url.Parse(base)
	if err != nil {
		return c
	}
	c.host, c.addr = u.Host, u.Host
	port := "80"
	if u.Scheme == "https" {
		port = "443"
		c.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	if u.Port() == "" {
		c.addr = net.JoinHostPort(u.Hostname(), port)
	}
	return c
}

// Close ends the idle connections.
func (c *Client) Close() {
	for {
		select {
		case conn := <-c.idle:
			_ = conn.Close()
		default:
			return
		}
	}
}

// Do sends a request and returns the answer's status. An error means that it
// was not answered: the request may have been taken or not.
func (c *Client) Do(ctx context.Context, r *Request) (int, error) {
	select {
	case c.slot <- struct{}{}:
		defer func() { <-c.slot }()
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for a connection: %w", ctx.Err())
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return 0, fmt.Errorf("connecting: %w", err)
	}
	status, keep, err := conn.exchange(ctx, r, c.host)
	if err != nil {
		_ = conn.Close()
		return 0, fmt.Errorf("sending a callback: %w", err)
	}
	if !keep {
		_ = conn.Close()
		return status, nil
	}
	conn.used = time.Now()
	c.idle <- conn // there is room for every connection
	return status, nil
}

// connect returns an idle connection or a new one.
func (c *Client) connect(ctx context.Context) (*clientConn, error) {
	for {
		select {
		case conn := <-c.idle:
			if time.Since(conn.used) < maxIdle {
				return conn, nil
			}
			_ = conn.Close()
			continue
		default:
		}
		break
	}
	dialer := net.Dialer{Timeout: dialWithin}
	conn, err := dialer.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, err
	}
	if c.tls != nil {
		conn = tls.Client(conn, c.tls)
	}
	return &clientConn{Conn: conn, in: bufio.NewReader(conn)}, nil
}

// exchange writes a request and reads its answer; keep tells whether the
// connection can carry another.
func (c *clientConn) exchange(ctx context.Context, r *Request, host string) (status int, keep bool, err error) {
	if err := c.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c.out = r.appendTo(c.out[:0], host)
	if _, err := c.Write(c.out); err != nil {
		return 0, false, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, false, err
	}
	return resp.StatusCode, !resp.Close, nil
}
