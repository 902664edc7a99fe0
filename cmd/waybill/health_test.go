package main_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/obs"
)

func TestHealthIsTheProcesssOwnAnswer(t *testing.T) {
	t.Parallel()
	health := obs.NewHealth("router")
	admin := httptest.NewServer(obs.Admin(obs.NewRegistry(), health))
	defer admin.Close()

	health.Set("router", errors.New("not a member"))
	r := run(t, nil, "", "health", admin.URL+"/readyz")
	require.Equal(t, 1, r.status)
	require.Equal(t, "waybill: answered 503: router: not a member\n", r.errOut)
	require.Zero(t, run(t, nil, "", "health", admin.URL+"/healthz").status, "it is alive all the same")

	health.Set("router", nil)
	require.Equal(t, result{out: "ready\n"}, run(t, nil, "", "health", admin.URL+"/readyz"))

	admin.Close()
	r = run(t, nil, "", "health", admin.URL+"/readyz")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.errOut, "no answer")
	require.Equal(t, 2, run(t, nil, "", "health", "127.0.0.1:8081").status)
}
