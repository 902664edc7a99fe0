package failpoint_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/failpoint"
	"waybill/internal/testkit"
)

// What is built without the tag has no failpoint, nor the names of any.
func TestTheProductHasNoFailpoints(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "workers")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", out, "./cmd/workers")
	build.Dir = testkit.Root()
	said, err := build.CombinedOutput()
	require.NoError(t, err, string(said))
	product, err := os.ReadFile(out)
	require.NoError(t, err)
	require.True(t, bytes.Contains(product, []byte("WAYBILL_DATABASE_URL")), "the names of variables can be found")
	for _, word := range []string{"WAYBILL_FAILPOINT", string(failpoint.WorkerBeforeCommit), string(failpoint.KafkaBeforeCommit), string(failpoint.RouterAfterPublish)} {
		require.False(t, bytes.Contains(product, []byte(word)), "%s is in the product", word)
	}
}
