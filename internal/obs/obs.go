// Package obs is how a process shows itself: the logger, the metrics registry
// and the admin listener with /metrics, /healthz and /readyz. It keeps no
// globals, so that two processes' worth of parts can live in one.
package obs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config is what every process reads about showing itself.
type Config struct {
	LogLevel slog.Level `env:"WAYBILL_LOG_LEVEL" envDefault:"INFO" doc:"least level that is logged: DEBUG, INFO, WARN or ERROR"`
}

// NewLogger returns a logger that writes one JSON object a line.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// NewRegistry returns a registry that holds the process's own figures.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// Health is the set of things a process needs to do its work. It is safe for
// concurrent use.
type Health struct {
	mu     sync.Mutex
	checks map[string]error
}

// errStarting is what a check says before its first report.
var errStarting = errors.New("starting")

// NewHealth returns a Health in which every named check is not yet passed.
func NewHealth(names ...string) *Health {
	h := &Health{checks: map[string]error{}}
	for _, n := range names {
		h.checks[n] = errStarting
	}
	return h
}

// Set reports a check: nil is good. The error's text is shown to operators.
func (h *Health) Set(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks[name] = err
}

// Problems returns what is not good, sorted; nothing means ready.
func (h *Health) Problems() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for n, err := range h.checks {
		if err != nil {
			out = append(out, n+": "+err.Error())
		}
	}
	sort.Strings(out)
	return out
}

// Admin serves an operator's view of the process. It never shares a listener
// with the public port.
func Admin(reg *prometheus.Registry, health *Health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "alive\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if problems := health.Problems(); len(problems) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, strings.Join(problems, "\n")+"\n")
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	return mux
}

// Serve serves h on l until ctx is done, then stops within a second.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 3 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving admin requests: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if srv.Shutdown(stop) != nil {
		_ = srv.Close()
	}
	<-done
	return nil
}
