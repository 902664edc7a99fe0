package providertest_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider/providertest"
)

// readers tells which test reads which files of the vectors, so that none lies
// there unread. Where a manifest lists files, its test reads all that it lists.
var readers = []struct{ files, manifest, folder, test string }{
	{files: "twilio/*.json", folder: "twilio", test: "TestVectors"},
	{files: "sns/manifest.json", folder: "sns", test: "TestVectors"},
	{files: "sns/messages/*.json", manifest: "sns", folder: "sns", test: "TestVectors"},
	{files: "sns/own/*.json", manifest: "sns", folder: "sns", test: "TestVectors"},
	{files: "sns/own/*.pem", manifest: "sns", folder: "sns", test: "TestVectors"},
	{files: "sns/certs/*.pem", manifest: "sns", folder: "sns", test: "TestVectors"},
	{files: "sns/signing_cert_urls.json", folder: "sns", test: "TestVectorsOfURLs"},
	{files: "ses/manifest.json", folder: "ses", test: "TestVectors"},
	{files: "ses/*.json", manifest: "ses", folder: "ses", test: "TestVectors"},
	{files: "connect/sns/*.json", folder: "sns", test: "TestVectorsOfConnect"},
	{files: "connect/event-*.json", manifest: "connect", folder: "connect", test: "TestVectorsOfEvents"},
	{files: "connect/lifecycle-*.json", manifest: "connect", folder: "connect", test: "TestVectorsOfEvents"},
	{files: "connect/api-destination-request.json", manifest: "connect", folder: "connect", test: "TestVectorsOfEvents"},
	{files: "connect/ctr-*.json", manifest: "connect", folder: "connect", test: "TestVectorsOfRecords"},
	{files: "connect/firehose-*.json", manifest: "connect", folder: "connect", test: "TestVectorsOfDeliveries"},
	{files: "stripe/signatures.json", folder: "stripe", test: "TestVectors"},
	{files: "stripe/manifest.json", folder: "stripe", test: "TestVectors"},
	{files: "stripe/events/*.json", manifest: "stripe", folder: "stripe", test: "TestVectors"},
}

// unread are files that claim nothing.
var unread = map[string]string{
	"SOURCES.md":            "says where the files come from",
	"connect/manifest.json": "where its files come from; each is named in its test",
	"sns/own/ca.pem":        "the issuer of certificates whose issuer is not asked",
}

func TestEveryVectorIsRead(t *testing.T) {
	t.Parallel()
	dir := providertest.Vectors(t, "")
	listed := map[string]bool{}
	for _, provider := range []string{"sns", "ses", "connect", "stripe"} {
		var manifest []struct{ File, Cert string }
		providertest.ReadJSON(t, filepath.Join(dir, provider, "manifest.json"), &manifest)
		for _, m := range manifest {
			listed[path.Join(provider, m.File)], listed[path.Join(provider, m.Cert)] = true, true
		}
	}
	used, absent := map[string]bool{}, map[string]bool{}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if unread[file] != "" {
			absent[file] = true
			return nil
		}
		read := false
		for _, r := range readers {
			if ok, err := path.Match(r.files, file); err != nil || !ok {
				continue
			}
			used[r.files] = true
			read = read || r.manifest == "" || listed[file]
		}
		require.True(t, read, "nobody reads %s", file)
		return nil
	}))
	require.Len(t, absent, len(unread), "files that claim nothing and are not there")
	for _, r := range readers {
		require.True(t, used[r.files], "no file is %s", r.files)
		require.True(t, declared(t, r.folder, r.test), "%s has no %s", r.folder, r.test)
	}
}

// declared tells whether a provider has a test of that name. They begin with
// TestVectors: so does what `make vectors` runs.
func declared(t *testing.T, provider, test string) bool {
	t.Helper()
	require.Regexp(t, "^TestVectors", test)
	files, err := filepath.Glob(filepath.Join("..", provider, "*_test.go"))
	require.NoError(t, err)
	want := regexp.MustCompile(`(?m)^func ` + test + `\(t \*testing\.T\)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if want.Match(text) {
			return true
		}
	}
	return false
}
