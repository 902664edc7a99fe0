package join_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/join"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// laws returns the property that merging values one after the other ends in the
// same whatever their order and repetition, that what is reported as a move is
// one, and that an empty value says nothing.
func laws[V, D any](value *rapid.Generator[V], empty V, merge func(*D, V) bool) func(*rapid.T) {
	return func(t *rapid.T) {
		values := rapid.SliceOfN(value, 1, 5).Draw(t, "values")
		again := rapid.SliceOf(rapid.SampledFrom(values)).Draw(t, "repeated")
		var want, got D
		for _, v := range values {
			merge(&want, v)
		}
		for _, v := range rapid.Permutation(append(append([]V{}, values...), again...)).Draw(t, "order") {
			before := got
			require.Equal(t, merge(&got, v), !reflect.DeepEqual(before, got))
		}
		require.Equal(t, want, got)
		require.False(t, merge(&got, empty))
		require.Equal(t, want, got)
	}
}

func TestProofFieldsAreJoins(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{"", "a", "b", "ab"})
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "us")) * time.Microsecond)
	})
	ranked := func(dst *string, v string) bool { return join.Strongest(dst, v, []string{"b", "a", "ab"}) }
	for name, property := range map[string]func(*rapid.T){
		"text":      laws(text, "", join.Text[string]),
		"texts":     laws(rapid.SliceOfN(text, 1, 2), nil, join.Texts),
		"number":    laws(rapid.Int64Range(0, 3), 0, join.Number[int64]),
		"strongest": laws(text, "", ranked),
		"earliest":  laws(rapid.Ptr(at, true), nil, join.Earliest),
		"latest":    laws(rapid.Ptr(at, true), nil, join.Latest),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, property)
		})
	}
}

func TestProofSpanIsAJoin(t *testing.T) {
	t.Parallel()
	type span struct{ first, last time.Time }
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 6).Draw(t, "seconds")
		var want, got span
		for _, s := range seconds {
			join.Span(&want.first, &want.last, noon.Add(time.Duration(s)*time.Second))
		}
		for _, s := range rapid.Permutation(append(seconds, seconds...)).Draw(t, "order") {
			before := got
			require.Equal(t, join.Span(&got.first, &got.last, noon.Add(time.Duration(s)*time.Second)), before != got)
		}
		require.Equal(t, want, got)
	})
}

// The order of codes is total: the better of two is a join.
func TestProofCodesAreOrdered(t *testing.T) {
	t.Parallel()
	class := func(code string) string {
		switch code {
		case "", "unknown":
			return code
		case "9", "x":
			return "unknown"
		}
		return "carrier"
	}
	all := []string{"", "9", "x", "10", "030", "30", "5.1.1", "30003"}
	for _, a := range all {
		for _, b := range all {
			ab := join.CompareCodes(a, b, class)
			require.Equal(t, -ab, join.CompareCodes(b, a, class))
			require.Equal(t, a == b, ab == 0, "%s %s", a, b)
			for _, c := range all {
				if ab <= 0 && join.CompareCodes(b, c, class) <= 0 {
					require.LessOrEqual(t, join.CompareCodes(a, c, class), 0, "%s %s %s", a, b, c)
				}
			}
		}
	}
	require.Positive(t, join.CompareCodes("10", "30", class), "of two that say something the lower number")
	require.Negative(t, join.CompareCodes("9", "30", class), "one that says something is better")
}
