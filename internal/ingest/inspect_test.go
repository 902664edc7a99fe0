package ingest_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/ingest"
	"waybill/internal/provider"
	"waybill/internal/seal"
)

func TestFrontOfIsWhatIngestDecidesByTheHead(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		method, uri, content, reason string
		near                         string
	}{
		{"POST", "/api/webhooks/sms?x=1", form, "", ""},
		{"GET", "/api/webhooks/sms", "", "", ""},
		{"PUT", "/api/webhooks/sms", form, "bad_method", ""},
		{"POST", "/api/webhooks/sms", "text/plain", "content_type", ""},
		{"POST", "/", form, "unknown_path", ""},
		{"POST", "/favicon.ico", form, "unknown_path", ""},
		{"POST", "/api/webhooks/sms/", form, "unknown_path", "slash"},
		{"POST", "/hooks/api/webhooks/sms?x=1", form, "unknown_path", "prefix"},
		{"POST", "/API/webhooks/SMS", form, "unknown_path", "letters"},
		{"POST", "/sms/status", form, "unknown_path", "beginning"},
	} {
		r := httptest.NewRequest(c.method, c.uri, strings.NewReader(""))
		if c.content != "" {
			r.Header.Set("Content-Type", c.content)
		}
		f := ingest.FrontOf(r)
		require.Equal(t, c.reason, f.Reason, c.uri)
		require.Contains(t, f.Near, c.near, c.uri)
		require.Equal(t, c.near == "", f.Near == "", c.uri)
		require.Equal(t, c.reason == "unknown_path", f.Provider == "none", c.uri)
	}
}

// short is a topic that is fetched as often as it has batches, and then no more.
type short struct {
	bus.Follower // the rest of the contract is not used
	ends         []bool
}

func (s short) Follow(ctx context.Context, _ string, fn func([]events.Record, bool)) error {
	for _, end := range s.ends {
		fn(nil, end)
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestASnapshotIsLoadedToTheEndOfTheTopic(t *testing.T) {
	t.Parallel()
	key, err := seal.ParseKey(seal.NewKey())
	require.NoError(t, err)
	s := ingest.NewSnapshot(key, slog.New(slog.DiscardHandler), time.Now)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, s.Load(ctx, short{ends: []bool{false}}), "could not be read to its end in time")
	require.NoError(t, s.Load(t.Context(), short{ends: []bool{false, true}}))
	_, knowledge := s.Signers(events.Twilio)
	require.Equal(t, provider.Unknown, knowledge)
}
