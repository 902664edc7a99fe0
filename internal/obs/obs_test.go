package obs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"waybill/internal/obs"
)

func get(t *testing.T, h http.Handler, method, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w.Code, w.Body.String()
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	health := obs.NewHealth("database", "broker")
	admin := obs.Admin(obs.NewRegistry(), health)
	ready := func(wantCode int, wantBody string) {
		t.Helper()
		code, body := get(t, admin, http.MethodGet, "/readyz")
		require.Equal(t, wantCode, code)
		require.Equal(t, wantBody, body)
		code, body = get(t, admin, http.MethodGet, "/healthz")
		require.Equal(t, http.StatusOK, code, "alive whatever it lacks")
		require.Equal(t, "alive\n", body)
	}

	ready(http.StatusServiceUnavailable, "broker: starting\ndatabase: starting\n")
	health.Set("database", nil)
	ready(http.StatusServiceUnavailable, "broker: starting\n")
	health.Set("broker", nil)
	ready(http.StatusOK, "ready\n")
	health.Set("broker", errors.New("no answer for 5s"))
	ready(http.StatusServiceUnavailable, "broker: no answer for 5s\n")
	health.Set("broker", nil)
	ready(http.StatusOK, "ready\n")
	require.Empty(t, health.Problems())
}

func TestAdminServesNothingElse(t *testing.T) {
	t.Parallel()
	admin := obs.Admin(obs.NewRegistry(), obs.NewHealth())
	for _, path := range []string{"/", "/debug/pprof/", "/api/webhooks/sms", "/metrics/x"} {
		code, _ := get(t, admin, http.MethodGet, path)
		require.Equal(t, http.StatusNotFound, code, path)
	}
	code, _ := get(t, admin, http.MethodPost, "/metrics")
	require.Equal(t, http.StatusMethodNotAllowed, code)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := obs.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "waybill_test_total", Help: "For a test."})
	reg.MustRegister(c)
	_, body := get(t, obs.Admin(reg, obs.NewHealth()), http.MethodGet, "/metrics")
	require.Contains(t, body, "waybill_test_total 0", "a counter is there before its first event")
	require.Contains(t, body, "go_goroutines")
	c.Inc()
	_, body = get(t, obs.Admin(reg, obs.NewHealth()), http.MethodGet, "/metrics")
	require.Contains(t, body, "waybill_test_total 1")

	_, other := get(t, obs.Admin(obs.NewRegistry(), obs.NewHealth()), http.MethodGet, "/metrics")
	require.NotContains(t, other, "waybill_test_total", "registries share nothing")
}

func TestLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := obs.NewLogger(&out, slog.LevelWarn)
	log.Info("not shown")
	log.Warn("batch held", "records", 3)
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), "one JSON object")
	require.Equal(t, "batch held", line["msg"])
	require.InDelta(t, 3, line["records"], 0)
}

func TestServeStopsWithItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- obs.Serve(ctx, l, obs.Admin(obs.NewRegistry(), obs.NewHealth())) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/healthz", nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "alive\n", string(body))

	cancel()
	require.NoError(t, <-done)
	_, err = client.Do(req)
	require.Error(t, err, "the port is free again")
}

// A request that never ends must not keep the process alive.
func TestServeStopsUnderAHangingRequest(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	hang := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		once.Do(func() { close(entered) })
		<-release
	})
	done := make(chan error, 1)
	go func() { done <- obs.Serve(ctx, l, hang) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	<-entered
	start := time.Now()
	cancel()
	require.NoError(t, <-done)
	require.Less(t, time.Since(start), 5*time.Second)
	close(release)
	require.NoError(t, conn.Close())
}

func TestServeReportsALostListener(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.ErrorIs(t, obs.Serve(t.Context(), l, http.NotFoundHandler()), net.ErrClosed)
}
