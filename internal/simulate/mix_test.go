package simulate_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/simulate"
)

func TestAMixIsDrawnByItsShares(t *testing.T) {
	t.Parallel()
	m := simulate.Mix{simulate.Messages: 6, simulate.Calls: 3, simulate.Billing: 1}
	require.NoError(t, m.Validate())
	random, drawn := rand.New(rand.NewPCG(7, 7)), map[simulate.Part]int{}
	for range 10_000 {
		drawn[simulate.Draw(m, random)]++
	}
	require.Len(t, drawn, 3)
	for part, share := range m {
		require.InDelta(t, share*1000, drawn[part], 200, part)
	}
}

func TestAMixThatCannotBePlayed(t *testing.T) {
	t.Parallel()
	for _, m := range []simulate.Mix{nil, {"faxes": 1}, {simulate.Calls: -1, simulate.Messages: 2}, {simulate.Emails: 0}} {
		require.Error(t, m.Validate(), m)
	}
	emails := simulate.Mix{simulate.Emails: 1}
	require.NoError(t, emails.Playable(true).Validate())
	require.Error(t, emails.Playable(false).Validate(), "nobody can sign")
	require.Len(t, emails, 1, "the mix itself stays")
}

// A key that is damaged is said to be; another's certificate without a key is passed over.
func TestACertificateNeedsItsKey(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "none")} {
		_, err := simulate.ReadCertificate(dir)
		require.ErrorIs(t, err, simulate.ErrNoCertificate)
	}
	dir := t.TempDir()
	made, err := simulate.KeepCertificate(dir)
	require.NoError(t, err)
	amazons := filepath.Join(dir, "SimpleNotificationService-"+strings.Repeat("0", 32)+".pem")
	require.NoError(t, os.WriteFile(amazons, []byte("-----BEGIN CERTIFICATE-----"), 0o600))
	again, err := simulate.ReadCertificate(dir)
	require.NoError(t, err)
	require.Equal(t, made.File, again.File)
	require.NoError(t, os.WriteFile(filepath.Join(dir, strings.TrimSuffix(made.File, ".pem")+".key"), []byte("damaged"), 0o600))
	_, err = simulate.ReadCertificate(dir)
	require.ErrorContains(t, err, made.File)
}

// Regression: ours was made beside Amazon's, and pinned with them.
func TestNoCertificateIsMadeBesideAmazons(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	amazons := filepath.Join(dir, "SimpleNotificationService-"+strings.Repeat("0", 32)+".pem")
	require.NoError(t, os.WriteFile(amazons, []byte("-----BEGIN CERTIFICATE-----"), 0o600))
	_, err := simulate.KeepCertificate(dir)
	require.ErrorIs(t, err, simulate.ErrOthersCertificate)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
}
