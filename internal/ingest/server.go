package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"waybill/internal/obs"
)

// maxHeader bounds a header block: net/http adds 4 KiB of its own, so that one
// above 20 KiB is answered 431.
const maxHeader = 16 << 10

// server runs the edge on a listener.
type server struct {
	config  Config
	edge    *edge
	health  *obs.Health
	metrics *metrics
	log     *slog.Logger
}

func (s *server) http() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      s.edge,
		ReadHeaderTimeout:            s.config.HeaderTimeout,
		ReadTimeout:                  s.config.RequestTimeout,
		WriteTimeout:                 s.config.RequestTimeout * 3 / 2, // time to answer what took all of its time
		IdleTimeout:                  s.config.IdleTimeout,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true,
		Protocols:                    protocols,
		ErrorLog:                     slog.NewLogLogger(serverLog{s.log.Handler()}, slog.LevelError),
		ConnContext:                  withConn,
		ConnState: func(c net.Conn, state http.ConnState) {
			if tracked, ok := c.(*conn); ok {
				tracked.state(state)
			}
		},
	}
}

// run serves l until ctx is done. Then, for the drain delay, it answers new
// requests with 503, so that callers go elsewhere while load balancers learn
// of the end; then it closes l and waits for requests in flight.
func (s *server) run(ctx context.Context, l net.Listener) error {
	srv := s.http()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(newListener(l, s.config.MaxConnections, s.refused)) }()
	s.health.Set(HealthServing, nil)
	select {
	case err := <-served:
		s.health.Set(HealthServing, err)
		return fmt.Errorf("serving callbacks: %w", err)
	case <-ctx.Done():
	}
	s.edge.draining.Store(true)
	s.health.Set(HealthServing, errDrainState)
	s.log.Info("draining", "delay", s.config.DrainDelay.String())
	delay := time.NewTimer(s.config.DrainDelay)
	defer delay.Stop()
	select {
	case err := <-served:
		return fmt.Errorf("serving callbacks: %w", err)
	case <-delay.C:
	}

	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.ShutdownTimeout)
	defer cancel()
	if srv.Shutdown(stop) != nil {
		s.log.Warn("requests in flight were cut off: they were not answered and will be sent again")
		_ = srv.Close()
	}
	<-served
	return nil
}

// refused counts and logs what net/http refused before the handler.
func (s *server) refused(why *protocolError) {
	reason := s.metrics.refuse(nobody, why.reason)
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "request refused", refusalAttrs(nobody, "", why.status, reason)...)
}

// serverLog takes net/http's own lines. They may quote what a caller sent, so
// only those about accepting connections keep their text.
type serverLog struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h serverLog) Handle(ctx context.Context, r slog.Record) error {
	level, message := slog.LevelDebug, "http server reported a problem with a connection"
	text, accepting := strings.CutPrefix(r.Message, "http: Accept error: ")
	if accepting {
		level, message = slog.LevelWarn, "accepting connections failed"
	}
	if !h.Enabled(ctx, level) {
		return nil
	}
	quiet := slog.NewRecord(r.Time, level, message, 0)
	if accepting {
		quiet.AddAttrs(slog.String("error", text))
	}
	return h.Handler.Handle(ctx, quiet)
}
