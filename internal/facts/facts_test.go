package facts_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/facts"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func told() *rapid.Generator[facts.Fact] {
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "us")) * time.Microsecond)
	})
	return rapid.Custom(func(t *rapid.T) facts.Fact {
		return facts.Fact{
			Name:  rapid.SampledFrom([]string{facts.Opens, facts.Duration}).Draw(t, "name"),
			Value: rapid.SampledFrom([]string{"", "9", "10", "x"}).Draw(t, "value"),
			At:    rapid.Ptr(at, true).Draw(t, "at"),
		}
	})
}

// Any order, and any split into events, ends in the same knowledge.
func TestProofFactsAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(told(), 0, 8).Draw(t, "facts")
		want := facts.Fold(nil, all)
		var got facts.Known
		for _, f := range rapid.Permutation(all).Draw(t, "order") {
			before := len(got)
			next := facts.Fold(got, []facts.Fact{f})
			require.Len(t, got, before, "what is known is not modified")
			got = next
		}
		require.Empty(t, cmp.Diff(want, got))
	})
}

// TestProofFactsJoin checks the laws of a join for every triple of merged facts,
// the count aside, which adds up.
func TestProofFactsJoin(t *testing.T) {
	t.Parallel()
	all := []facts.Merged{{}}
	for _, value := range []string{"", "9", "10", "x"} {
		for _, at := range []*time.Time{nil, new(noon), new(noon.Add(time.Second))} {
			all = append(all, facts.Fold(nil, []facts.Fact{{Name: "f", Value: value, At: at}})["f"])
		}
	}
	uncounted := func(m facts.Merged) facts.Merged { m.Count = 0; return m }
	triples := 0
	for _, a := range all {
		require.Equal(t, uncounted(a), uncounted(facts.Join(a, a)), "idempotent")
		for _, b := range all {
			require.Equal(t, facts.Join(a, b), facts.Join(b, a), "commutative")
			for _, c := range all {
				require.Equal(t, facts.Join(facts.Join(a, b), c), facts.Join(a, facts.Join(b, c)), "associative")
				triples++
			}
		}
	}
	t.Logf("facts: %d pairs, %d triples: all equal", len(all)*len(all), triples)
}

func TestTheNewestValueWins(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Minute)
	known := facts.Fold(nil, []facts.Fact{{Name: facts.Duration, Value: "42", At: &later}, {Name: facts.Duration, Value: "99", At: &noon}})
	require.Equal(t, facts.Known{facts.Duration: {Count: 2, First: &noon, Last: &later, Value: "42", ValueAt: &later}}, known)
	require.Equal(t, "100", facts.Fold(known, []facts.Fact{{Name: facts.Duration, Value: "100", At: &later}})[facts.Duration].Value,
		"of two values of one moment the greater number")
}
