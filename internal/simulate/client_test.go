package simulate_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/simulate"
)

func callback() simulate.Request {
	t := simulate.Twilio{PublicURL: "https://hooks.example.com", Account: "AC0123456789abcdef0123456789abcdef", Token: "token"}
	return t.Status("SM0123456789abcdef0123456789abcdef", "+12025550101", "+12025550177", "sent", "")
}

func TestClientSendsWhatWasSignedOverOneConnection(t *testing.T) {
	t.Parallel()
	want := callback()
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(body, want.Body) || r.RequestURI != want.Path || r.Header.Get("X-Twilio-Signature") != want.Header.Get("X-Twilio-Signature") {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := simulate.NewClient(s.URL, 4)
	defer c.Close()
	for range 10 {
		status, err := c.Do(t.Context(), &want)
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, status)
	}
	require.EqualValues(t, 1, connections.Load())
}

// What was not answered is an error, and is not sent again by itself: whoever
// counts receipts must know of every attempt.
func TestClientNeverRepeatsByItself(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var requests atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				requests.Add(1)
			}
			_ = conn.Close() // no answer
		}
	}()
	c := simulate.NewClient("http://"+l.Addr().String(), 1)
	defer c.Close()
	r := callback()
	for n := range 3 {
		_, err := c.Do(t.Context(), &r)
		require.Error(t, err)
		require.EqualValues(t, n+1, requests.Load())
	}
}

func TestClientGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	c := simulate.NewClient(s.URL, 1)
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	r := callback()
	_, err := c.Do(ctx, &r)
	require.Error(t, err)
}

func TestWeatherSaysEverythingThatCannotBe(t *testing.T) {
	t.Parallel()
	err := simulate.Weather{Early: 1.1, Duplicate: -0.1, Forge: 2, Burst: 1000}.Validate()
	for _, flag := range []string{"--early", "--duplicate", "--forge", "--burst"} {
		require.ErrorContains(t, err, flag)
	}
	require.NoError(t, simulate.Weather{Early: 1, Reorder: 0.5, Burst: 5}.Validate())
}
