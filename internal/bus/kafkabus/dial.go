package kafkabus

import (
	"context"
	"net"
)

// dialUntil returns a dial function whose connections close when life ends,
// whatever they wait for. kafka-go by itself closes idle connections alone: one
// with a request in flight stays until the answer, even if nobody waits for it.
func dialUntil(life context.Context) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(life, func() { _ = conn.Close() })
		return &boundConn{Conn: conn, stop: stop}, nil
	}
}

type boundConn struct {
	net.Conn
	stop func() bool
}

// Close implements [net.Conn].
func (c *boundConn) Close() error {
	c.stop()
	return c.Conn.Close()
}
