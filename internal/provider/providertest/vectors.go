package providertest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Vectors returns the folder of the providers' test vectors: WAYBILL_VECTORS,
// or shared/vectors beside the repository. They are not part of the
// repository: where they are absent the test is skipped and says so.
func Vectors(t testing.TB, provider string) string {
	t.Helper()
	dir, ok := vectorsDir()
	if !ok {
		t.Skipf("vectors not present: set WAYBILL_VECTORS to a folder that holds %s", provider)
	}
	return filepath.Join(dir, provider)
}

// TryVectors is [Vectors] for fuzz seeds, which do without: ok tells whether
// the folder is there.
func TryVectors(provider string) (dir string, ok bool) {
	dir, ok = vectorsDir()
	return filepath.Join(dir, provider), ok
}

// vectorsDir finds the folder; ok tells whether there is one.
func vectorsDir() (dir string, ok bool) {
	if dir = os.Getenv("WAYBILL_VECTORS"); dir == "" {
		dir = filepath.Join(repository(), "..", "shared", "vectors")
	}
	info, err := os.Stat(dir)
	return dir, err == nil && info.IsDir()
}

// repository returns the folder of go.mod, above the package under test.
func repository() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// ReadJSON reads a file of vectors into v.
func ReadJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, v))
}

// Tally counts vectors, so that none is passed over in silence.
type Tally struct {
	Claimed int // vectors with a claim that we make our own, or answer otherwise on purpose
	AsIs    int // of those, the ones that behaved
	Exempt  int // of those, the ones that behave otherwise than claimed, for a written reason
	Open    int // the source makes no claim
	Later   int // of a kind that is not built yet
}

// Log prints the closing line, and fails the test unless all behaved.
func (n *Tally) Log(t testing.TB, provider string) {
	t.Helper()
	t.Logf("vectors %s: %d of %d answered as they must be (%d as claimed, %d otherwise for a written reason); besides %d undecided by their source, %d of a kind not built yet",
		provider, n.AsIs, n.Claimed, n.AsIs-n.Exempt, n.Exempt, n.Open, n.Later)
	require.Equal(t, n.Claimed, n.AsIs, "vectors of %s that did not behave", provider)
}
