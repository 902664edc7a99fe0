package errorcode_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/errorcode"
)

func class(code string) string {
	switch code {
	case "":
		return ""
	case "9", "10", "bounce", "x":
		return errorcode.Carrier
	}
	return errorcode.Unknown
}

// Each list is the whole order of its codes, the lowest first. That every pair
// agrees with its place makes the order total.
func TestProofCompareIsATotalOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tie   func(a, b string) int
		order []string
	}{
		"lower number": {errorcode.LowerNumber, []string{"", "z", "a", "-1", "300", "8", "08", "7", "x", "bounce", "10", "9"}},
		"smaller text": {errorcode.SmallerText, []string{"", "z", "a", "8", "7", "300", "08", "-1", "x", "bounce", "9", "10"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, a := range c.order {
				for j, b := range c.order {
					got := errorcode.Compare(a, b, class, c.tie)
					require.Equal(t, i < j, got < 0, "%q below %q", a, b)
					require.Equal(t, i == j, got == 0, "%q is %q", a, b)
				}
			}
		})
	}
}
