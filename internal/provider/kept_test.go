package provider_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/provider"
)

func TestKept(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", 256)
	h := http.Header{"First": {longest}, "Second": {"a", "b"}, "Empty": {""}, "Long": {longest + "x"}, "Other": {"o"}}
	require.Equal(t, []events.Header{{Key: "second", Value: []byte("a")}, {Key: "first", Value: []byte(longest)}},
		provider.Kept(h, "Second", "Absent", "Empty", "Long", "First"))
	require.Empty(t, provider.Kept(nil, "First"))
}
