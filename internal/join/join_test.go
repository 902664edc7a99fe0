package join_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/join"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// field is one join on values of a type. told draws what events say; the zero
// value of T must be nothing.
type field[T any] struct {
	told  *rapid.Generator[T]
	merge func(dst *T, v T) bool
}

// check holds the laws of a join for the values that a field can have, which are
// those that come of telling nothing something, and that it says what moved.
func check[T any](t *testing.T, name string, f field[T]) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			both := func(a, b T) T {
				before := a
				moved := f.merge(&a, b)
				require.Equal(t, !cmp.Equal(before, a), moved, "says whether it moved")
				return a
			}
			var nothing T
			draw := func(label string) T { return both(nothing, f.told.Draw(t, label)) }
			a, b, c := draw("a"), draw("b"), draw("c")
			same := func(want, got T, law string) { t.Helper(); require.Empty(t, cmp.Diff(want, got), law) }

			same(both(a, b), both(b, a), "commutative")
			same(both(both(a, b), c), both(a, both(b, c)), "associative")
			same(a, both(a, a), "idempotent")
			same(a, both(a, nothing), "nothing moves nothing")

			// An event's own value, at whatever precision and in whatever zone, is
			// as good as what the field makes of it.
			raw := f.told.Draw(t, "raw")
			same(both(a, both(nothing, raw)), both(a, raw), "what is stored equals what was told")
		})
	})
}

// seen is a span with one of its events, in the form of the other joins.
type seen struct{ First, Last time.Time }

func TestProofLaws(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{"", "a", "ab", "b", "é"})
	number := rapid.Int64Range(-2, 4)
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		at := noon.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "us")) * time.Microsecond)
		return at.In(rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("", 5400)}).Draw(t, "zone"))
	})
	rank := func(s string) int { return slices.Index([]string{"b", "ab", "a"}, s) + 1 }

	check(t, "smallest", field[string]{text, join.Smallest[string]})
	check(t, "smallest list", field[[]string]{rapid.SliceOfN(text, 0, 3), join.SmallestList})
	check(t, "greatest", field[int64]{number, join.Greatest[int64]})
	check(t, "strongest", field[string]{text, func(dst *string, v string) bool { return join.Strongest(dst, v, rank) }})
	check(t, "earliest", field[*time.Time]{rapid.Ptr(instant, true), join.Earliest})
	check(t, "latest", field[*time.Time]{rapid.Ptr(instant, true), join.Latest})
	check(t, "span", field[seen]{
		rapid.Custom(func(t *rapid.T) seen {
			at := rapid.OneOf(instant, rapid.Just(time.Time{})).Draw(t, "at")
			return seen{at, at}
		}),
		func(dst *seen, v seen) bool {
			first := join.Span(&dst.First, &dst.Last, v.First)
			last := join.Span(&dst.First, &dst.Last, v.Last)
			return first || last
		},
	})
}

// The laws alone would hold for a join that keeps the other end.
func TestWhichWins(t *testing.T) {
	t.Parallel()
	early, late := noon.Add(1500*time.Microsecond), noon.Add(time.Second).In(time.FixedZone("", 5400))
	var (
		text   string
		list   []string
		number int
		origin string
		first  *time.Time
		last   *time.Time
		span   seen
	)
	rank := func(s string) int { return len(s) }
	for range 2 {
		for i, v := range []string{"bb", "", "a", "ccc"} {
			join.Smallest(&text, v)
			join.SmallestList(&list, slices.Repeat([]string{"x"}, len(v)))
			join.Greatest(&number, len(v)-i)
			join.Strongest(&origin, v, rank)
		}
		for _, at := range []*time.Time{&late, nil, &early} {
			join.Earliest(&first, at)
			join.Latest(&last, at)
			if at != nil {
				join.Span(&span.First, &span.Last, *at)
			}
		}
	}
	require.Equal(t, "a", text)
	require.Equal(t, []string{"x"}, list)
	require.Equal(t, 2, number)
	require.Equal(t, "ccc", origin)
	from, to := noon.Add(time.Millisecond), noon.Add(time.Second)
	require.Equal(t, []*time.Time{&from, &to}, []*time.Time{first, last}, "in UTC, to the millisecond")
	require.Equal(t, seen{from, to}, span, "likewise")
}

// What an event holds stays the event's: a row is never changed through it.
func TestKeepsNothingOfTheEvent(t *testing.T) {
	t.Parallel()
	said, at := []string{"a"}, noon
	var list []string
	var first, last *time.Time
	join.SmallestList(&list, said)
	join.Earliest(&first, &at)
	join.Latest(&last, &at)
	said[0], at = "z", noon.Add(time.Hour)
	require.Equal(t, []string{"a"}, list)
	require.Equal(t, []time.Time{noon, noon}, []time.Time{*first, *last})
}
