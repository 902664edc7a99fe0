package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestACertificateIsMadeOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "certificates")
	var made, again map[string]string
	for _, into := range []*map[string]string{&made, &again} {
		r := run(t, nil, "", "certificate", dir, "--json")
		require.Zero(t, r.status, r.errOut)
		require.NoError(t, json.Unmarshal([]byte(r.out), into))
	}
	require.Equal(t, made, again)
	require.FileExists(t, made["certificate"])
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 2, "the certificate and its key")
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
}

func TestNoCertificateIsMadeAmongOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "amazons.pem"), nil, 0o600))
	r := run(t, nil, "", "certificate", dir)
	require.NotZero(t, r.status)
	require.Contains(t, r.errOut, "another folder")
}

// Who asks for e-mails is told what is missing before anything is made.
func TestWithoutACertificateNobodyPlaysEmails(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for what, args := range map[string][]string{
		"make a pair with waybill certificate": {"--sns-cert-dir", empty},
		"want something to play":               {"--mix", "emails=1"},
	} {
		r := run(t, nil, "", append([]string{"simulate", "--url", "http://127.0.0.1:1"}, args...)...)
		require.Equal(t, 2, r.status, r.errOut)
		require.Contains(t, r.errOut, what)
	}
}
