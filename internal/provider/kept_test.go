package provider_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
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

// What differs in a spelling is the cause of a refusal, and all that it says.
func TestASpellingIsACause(t *testing.T) {
	t.Parallel()
	err := fault.Wrap(fault.Unverified, "url_mismatch", &provider.SpellingError{How: "the URL had another port"})
	var other *provider.SpellingError
	require.ErrorAs(t, err, &other)
	require.EqualError(t, err, "url_mismatch: the URL had another port")
}
