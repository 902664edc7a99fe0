package simulate_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/simulate"
)

// Whoever interrupts while ingest is not there yet waits for no comparison.
func TestNothingIsComparedThatWasNotPlayed(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-end:
		default:
			close(end)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer s.Close()
	_, err := simulate.Run(t.Context(), simulate.Options{
		URL: s.URL, Cast: simulate.NewCast(1, s.URL, nil), Mix: simulate.Mix{simulate.Messages: 1},
		Rate: 1, Duration: time.Hour, Connections: 1, End: end,
	})
	require.ErrorContains(t, err, "before anything was played")
}
