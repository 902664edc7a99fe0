package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// lingerTime is how long a closed connection still swallows what the caller
// sends, so that the caller reads its answer instead of a reset.
const lingerTime = 500 * time.Millisecond

// listener bounds the number of open connections and makes each one a [conn].
type listener struct {
	net.Listener
	slots   chan struct{}
	done    chan struct{}
	once    sync.Once
	refused func(*protocolError)
}

func newListener(l net.Listener, limit int, refused func(*protocolError)) *listener {
	return &listener{Listener: l, slots: make(chan struct{}, limit), done: make(chan struct{}), refused: refused}
}

// Accept waits for a free slot, then for a connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &conn{Conn: c, free: sync.OnceFunc(func() { <-l.slots }), refused: l.refused}, nil
}

// Close ends a waiting Accept, too.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// conn notices what net/http refuses before it calls the handler: it answers
// such requests by itself, or closes without an answer, and tells nobody.
type conn struct {
	net.Conn
	free    func()
	refused func(*protocolError)

	inHandler atomic.Bool // from the handler's begin to the next request
	received  atomic.Bool // a byte of the next request is here
	timedOut  atomic.Bool // the next request took too long
	lingers   atomic.Bool
}

type connKey struct{}

// withConn lets the handler find its connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns the connection of a request; a nil one does nothing.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// handled says that the handler has the request: it is counted there.
func (c *conn) handled() {
	if c != nil {
		c.inHandler.Store(true)
	}
}

// linger makes Close wait for the caller to read its answer.
func (c *conn) linger() {
	if c != nil {
		c.lingers.Store(true)
	}
}

// state is net/http's hook for changes of a connection's state.
func (c *conn) state(s http.ConnState) {
	switch s {
	case http.StateIdle:
		c.received.Store(false)
		c.timedOut.Store(false)
		c.inHandler.Store(false)
	case http.StateClosed:
		if !c.inHandler.Load() && c.received.Load() && c.timedOut.Load() {
			c.refused(errHeaderTimeout)
		}
	default: // the others say nothing about who has the request
	}
}

// Read implements [net.Conn].
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.inHandler.Load() {
		if n > 0 {
			c.received.Store(true)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.timedOut.Store(true)
		}
	}
	return n, err
}

// Write implements [net.Conn]. What is written outside of the handler is
// net/http's own refusal, in one piece. It takes a header that stops in the
// middle of a line for a broken one: such a caller is only slow.
func (c *conn) Write(b []byte) (int, error) {
	if !c.inHandler.Load() {
		if c.timedOut.Load() {
			return len(b), nil // closed without an answer, as in any other place of the header
		}
		if status := statusOf(b); status == errHeaderTooLarge.status {
			c.refused(errHeaderTooLarge)
		} else if status > 0 {
			c.refused(&protocolError{status, errMalformed.reason})
		}
	}
	return c.Conn.Write(b)
}

// statusOf reads the status of an answer that begins with b, 0 if none does.
func statusOf(b []byte) int {
	const version = len("HTTP/1.1 ")
	if len(b) < version+3 || !bytes.HasPrefix(b, []byte("HTTP/1.")) {
		return 0
	}
	status, err := strconv.Atoi(string(b[version : version+3]))
	if err != nil {
		return 0
	}
	return status
}

// CloseWrite is what net/http looks for to say that nothing more will come.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements [net.Conn]. Closing with bytes unread would reset the
// connection, and the answer with it.
func (c *conn) Close() error {
	if c.lingers.Swap(false) && c.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.Copy(io.Discard, c.Conn)
	}
	defer c.free()
	return c.Conn.Close()
}
