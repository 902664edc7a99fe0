package tenantmap_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// world draws evidence and facts over few organisations, keys and instants, so
// that they meet often.
func world(t *rapid.T) (tenantmap.Evidence, tenantmap.Facts) {
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "hour")) * time.Hour)
	})
	maybe := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return instant.Draw(t, "at")
	})
	org := rapid.SampledFrom([]events.OrgID{orgA, orgB})
	tenures := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tenantmap.Tenure {
		return tenantmap.Tenure{Org: org.Draw(t, "org"), From: maybe.Draw(t, "from"), To: maybe.Draw(t, "to")}
	}), 0, 3)
	resources := []tenantmap.Key{known, echoed, tenantmap.ResourceKey(events.Twilio, "SM2")}
	senders := []tenantmap.Key{number, number2}

	e := tenantmap.Evidence{
		Provider: events.Twilio, Signer: "AC1", ProviderID: "SM1", At: instant.Draw(t, "at"),
		Resources: rapid.SliceOfDistinct(rapid.SampledFrom(resources), rapid.ID[tenantmap.Key]).Draw(t, "resources"),
		Senders:   rapid.SliceOfDistinct(rapid.SampledFrom(senders), rapid.ID[tenantmap.Key]).Draw(t, "senders"),
		Creates:   rapid.Bool().Draw(t, "creates"),
	}
	f := tenantmap.Facts{
		Mappings: rapid.MapOf(rapid.SampledFrom(resources), rapid.Custom(func(t *rapid.T) tenantmap.Mapping {
			o := org.Draw(t, "org")
			return tenantmap.Mapping{Org: o, Row: events.RowID(o), SentAt: maybe.Draw(t, "sent")}
		})).Draw(t, "mappings"),
		Senders: rapid.MapOf(rapid.SampledFrom(senders), tenures).Draw(t, "holders"),
		Accounts: rapid.MapOf(rapid.Just(signer), rapid.Custom(func(t *rapid.T) tenantmap.Account {
			return tenantmap.Account{Platform: rapid.OneOf(rapid.Just[[]tenantmap.Tenure](nil), tenures).Draw(t, "platform"), Orgs: tenures.Draw(t, "orgs")}
		})).Draw(t, "accounts"),
	}
	return e, f
}

// Whatever is on record and whatever an event claims: it goes to an
// organisation only if its signer could sign for that one, at the event's time
// or at a time when something that the event names was sent.
func TestProofEntitled(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, f := world(t)
		d := tenantmap.Resolve(&e, &f)
		if d.Outcome != "" {
			require.Empty(t, d.Org, "held, and still an organisation")
			require.Empty(t, d.Row)
			require.NotEmpty(t, d.Reason)
			return
		}
		require.NotEmpty(t, d.Org)
		require.NotEmpty(t, d.Row)
		require.NotEmpty(t, d.By)
		a := f.Accounts[signer]
		entitled := a.Entitled(d.Org, e.At)
		for _, k := range e.Resources {
			if m, ok := f.Mappings[k]; ok && m.Org == d.Org && !m.SentAt.IsZero() {
				entitled = entitled || a.Entitled(d.Org, m.SentAt)
			}
		}
		require.True(t, entitled, "%+v", d)
	})
}

// The order in which a provider happens to name things decides nothing.
func TestProofEvidenceOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, f := world(t)
		want := tenantmap.Resolve(&e, &f)
		other := e
		other.Resources = rapid.Permutation(e.Resources).Draw(t, "resources again")
		other.Senders = rapid.Permutation(e.Senders).Draw(t, "senders again")
		require.Empty(t, cmp.Diff(want, tenantmap.Resolve(&other, &f)))
	})
}

// What is parked can be freed only by something that was waited for: a fact
// about any other key leaves it where it is.
func TestProofParkedWaitsForItsKeys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, f := world(t)
		if tenantmap.Resolve(&e, &f).Outcome != events.Parked {
			return
		}
		awaited := map[tenantmap.Key]bool{}
		for _, k := range e.Keys() {
			awaited[k] = true
		}
		_, later := world(t)
		for k, m := range later.Mappings {
			if !awaited[k] {
				f.Mappings[k] = m
			}
		}
		for k, s := range later.Senders {
			if !awaited[k] {
				f.Senders[k] = s
			}
		}
		require.Equal(t, events.Parked, tenantmap.Resolve(&e, &f).Outcome)
	})
}
