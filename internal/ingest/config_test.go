package ingest_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/ingest"
	"waybill/internal/obs"
	"waybill/internal/provider"
	"waybill/internal/provider/stripe"
	"waybill/internal/seal"
)

func TestConfigReportsEveryProblem(t *testing.T) {
	t.Parallel()
	const secret = "not-a-key-but-secret"
	var c ingest.Config
	err := config.Load(&c, config.Source{
		"WAYBILL_LISTEN": "nowhere", "WAYBILL_PUBLIC_URL": "ftp://x, https://user:hunter2@x/ ,https://x/?q=1,://",
		"WAYBILL_SECRET_KEY": secret, "WAYBILL_INGEST_MAX_INFLIGHT_BYTES": "1", "WAYBILL_INGEST_MAX_CONNECTIONS": "0",
		"WAYBILL_INGEST_HEADER_TIMEOUT": "4s", "WAYBILL_INGEST_REQUEST_TIMEOUT": "9s", "WAYBILL_INGEST_IDLE_TIMEOUT": "0s",
		"WAYBILL_INGEST_DRAIN_DELAY": "-1s", "WAYBILL_INGEST_SHUTDOWN_TIMEOUT": "1s",
		"WAYBILL_SNS_CERT_DIR": "nowhere", "WAYBILL_SNS_MAX_AGE": "-1s", "WAYBILL_SNS_REFUSE_SHA1": "perhaps",
	})
	require.Error(t, err)
	for _, f := range config.Fields(&c) {
		require.Contains(t, err.Error(), f.Name+": ")
		require.NotEmpty(t, f.Doc)
	}
	for i := range 4 {
		require.Contains(t, err.Error(), fmt.Sprintf("WAYBILL_PUBLIC_URL: entry %d ", i+1))
	}
	for _, private := range []string{secret, "hunter2", "ftp", "nowhere"} {
		require.NotContains(t, err.Error(), private)
	}
}

func TestConfigMustBeGiven(t *testing.T) {
	t.Parallel()
	var c ingest.Config
	err := config.Load(&c, config.Source{})
	require.Error(t, err)
	require.Equal(t, 2, strings.Count(err.Error(), "must be set"))
	require.Contains(t, err.Error(), "WAYBILL_PUBLIC_URL")
	require.Contains(t, err.Error(), "WAYBILL_SECRET_KEY")
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	var c ingest.Config
	require.NoError(t, config.Load(&c, config.Source{
		"WAYBILL_PUBLIC_URL": "https://a.example,https://b.example:8443/hooks/", "WAYBILL_SECRET_KEY": seal.NewKey(),
	}))
	require.Equal(t, ":8080", c.Listen)
	require.Equal(t, []string{"https://a.example", "https://b.example:8443/hooks/"}, c.PublicURL)
	require.EqualValues(t, 64<<20, c.MaxInflightBytes)
	require.Less(t, c.DrainDelay+c.ShutdownTimeout, 10*time.Second, "SIGTERM exits within 10 s")
}

// An edge that lacks a part says so instead of failing on the first request.
func TestNewWithoutParts(t *testing.T) {
	t.Parallel()
	key, err := seal.ParseKey(seal.NewKey())
	require.NoError(t, err)
	_, err = ingest.New(ingest.Options{})
	require.Error(t, err)
	_, err = ingest.New(ingest.Options{
		Publisher: &broker{}, Follower: &broker{}, Key: key, Log: obs.NewLogger(&lines{}, slog.LevelInfo),
		Providers: []provider.Verifier{stripe.New(stripe.Tolerance)},
	})
	require.ErrorContains(t, err, "no verifier for twilio")
}
