package ingest_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/ingest"
)

// sampled is what a path in a sample may look like: our own words, and question
// marks for everybody else's.
var sampled = regexp.MustCompile(`^(/?(api|webhooks|sms|status|voice|recording|email|connect|records|stripe|\?)?)*$`)

// FuzzSample reads request URIs as a sample of a refused request keeps them.
// Nothing of the caller's may be in it but plain names of parameters.
func FuzzSample(f *testing.F) {
	for _, uri := range []string{
		"/api/webhooks/sms/status?wb=0b9f&x", "/api/webhooks/sms/+15550100001?to=%2B1555", "/AC0123/secret?=v&&a=b=c", "//..%2f/api", "", "?", "api",
		"http://user:secret@h/api/webhooks/sms", "/api\x00/\xff?\xff=1", "/" + strings.Repeat("a/", 300), "/api?" + strings.Repeat("n=1&", 300),
	} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		path := ingest.PathOf(uri)
		require.True(t, strings.HasPrefix(uri, path))
		require.NotContains(t, path, "?")
		kept := ingest.PlainPath(path)
		require.Regexp(t, sampled, kept)
		require.LessOrEqual(t, len(kept), len(path)+1)
		_, query, _ := strings.Cut(uri, "?")
		names := ingest.QueryNames(query)
		require.LessOrEqual(t, len(names), 32)
		for _, n := range names {
			require.Regexp(t, `^(\?|[A-Za-z][A-Za-z0-9_.-]{0,63})$`, n)
			require.True(t, n == "?" || strings.Contains(query, n+"="), "a value is no name")
		}
	})
}
