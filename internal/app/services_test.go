package app_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/app"
	"waybill/internal/config"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/testkit"
)

// Whoever pins a certificate whose key is there is told what that means.
func TestIngestWarnsOfAKeyBesideAPinnedCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := simulate.KeepCertificate(dir)
	require.NoError(t, err)
	var cfg app.IngestConfig
	require.NoError(t, config.Load(&cfg, map[string]string{
		"WAYBILL_LISTEN": "127.0.0.1:0", "WAYBILL_ADMIN_LISTEN": "localhost:0", "WAYBILL_KAFKA_BROKERS": testkit.Kafka(t),
		"WAYBILL_PUBLIC_URL": "https://hooks.example.com", "WAYBILL_SECRET_KEY": seal.NewKey(),
		"WAYBILL_INGEST_DRAIN_DELAY": "0s", "WAYBILL_SNS_CERT_DIR": dir,
	}))
	said := func() string {
		var out bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // it starts, and stops
		require.NoError(t, app.Ingest(ctx, cfg, slog.New(slog.NewTextHandler(&out, nil))))
		require.Contains(t, out.String(), "started")
		return out.String()
	}
	require.Contains(t, said(), "a private key lies in WAYBILL_SNS_CERT_DIR")
	keys, err := filepath.Glob(filepath.Join(dir, "*.key"))
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.NoError(t, os.Remove(keys[0]))
	require.NotContains(t, said(), "private key")
}
