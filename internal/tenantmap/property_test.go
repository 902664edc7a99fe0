package tenantmap_test

import (
	"maps"
	"slices"
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
	parents := []tenantmap.Key{tenantmap.ResourceKey(events.Twilio, "CA1"), tenantmap.ResourceKey(events.Twilio, "CA2")}
	senders := []tenantmap.Key{number, number2}
	people := []string{"", ann, bob}
	var talks []tenantmap.Key
	for _, s := range senders {
		for _, p := range people {
			if k, ok := tenantmap.ConversationKey(s.Value, p); ok {
				talks = append(talks, k)
			}
		}
	}

	e := tenantmap.Evidence{
		Provider: events.Twilio, Signer: "AC1", ProviderID: "SM1", At: instant.Draw(t, "at"),
		Resources: rapid.SliceOfDistinct(rapid.SampledFrom(resources), rapid.ID[tenantmap.Key]).Draw(t, "resources"),
		Senders:   rapid.SliceOfDistinct(rapid.SampledFrom(senders), rapid.ID[tenantmap.Key]).Draw(t, "senders"),
		Event:     rapid.SampledFrom([]events.EventID{"e1", "e2"}).Draw(t, "event"),
		Kind:      rapid.SampledFrom([]events.Kind{events.KindMessageStatus, events.KindMessage, events.KindCall, ""}).Draw(t, "kind"),
		Parents:   rapid.SliceOfNDistinct(rapid.SampledFrom(parents), 0, 2, rapid.ID[tenantmap.Key]).Draw(t, "parents"),
		Aged:      rapid.Bool().Draw(t, "aged"),
		Inbound:   rapid.Bool().Draw(t, "inbound"),
		Person:    rapid.SampledFrom(people).Draw(t, "person"),
	}
	f := tenantmap.Facts{
		Mappings: rapid.MapOf(rapid.SampledFrom(slices.Concat(resources, parents)), rapid.Custom(func(t *rapid.T) tenantmap.Mapping {
			o := org.Draw(t, "org")
			return tenantmap.Mapping{Org: o, Row: events.RowID(o), SentAt: maybe.Draw(t, "sent")}
		})).Draw(t, "mappings"),
		Senders: rapid.MapOf(rapid.SampledFrom(senders), tenures).Draw(t, "holders"),
		Conversations: rapid.MapOf(rapid.SampledFrom(talks), rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) tenantmap.Conversation {
			times := rapid.SliceOfNDistinct(instant, 1, 3, rapid.ID[time.Time]).Draw(t, "times")
			slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
			return tenantmap.Conversation{Org: org.Draw(t, "org"), Times: times}
		}), 0, 2, func(c tenantmap.Conversation) events.OrgID { return c.Org })).Draw(t, "conversations"),
		Accounts: rapid.MapOf(rapid.Just(signer), rapid.Custom(func(t *rapid.T) tenantmap.Account {
			return tenantmap.Account{Platform: rapid.OneOf(rapid.Just[[]tenantmap.Tenure](nil), tenures).Draw(t, "platform"), Orgs: tenures.Draw(t, "orgs")}
		})).Draw(t, "accounts"),
		Assigned: rapid.MapOfN(rapid.SampledFrom([]events.EventID{"e1", "e2"}), org, 0, 1).Draw(t, "assigned"),
	}
	return e, f
}

// Whatever is on record and whatever an event claims: it goes to an
// organisation only if its signer could sign for that one, at the event's time
// or at a time when something that the event names was sent, or if an operator
// says so.
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
		for _, k := range slices.Concat(e.Resources, e.Parents) {
			if m, ok := f.Mappings[k]; ok && m.Org == d.Org && !m.SentAt.IsZero() {
				entitled = entitled || a.Entitled(d.Org, m.SentAt)
			}
		}
		if d.By == tenantmap.ByOperator {
			entitled = f.Assigned[e.Event] == d.Org
			named, own := 0, 0
			for _, k := range e.Resources {
				if m, ok := f.Mappings[k]; ok {
					named++
					if m.Org == d.Org {
						own++
					}
				}
			}
			require.True(t, named == 0 || own > 0, "an operator cannot give away what is known")
		}
		require.True(t, entitled, "%+v", d)
		for _, o := range tenantmap.Others(&e, &f, d.Org) {
			require.NotEqual(t, d.Org, o)
			require.True(t, a.Entitled(o, e.At), "the signer speaks for an organisation that is not its own")
			require.True(t, wrote(&e, &f, o), "an organisation is told of somebody it never wrote to")
		}
	})
}

func wrote(e *tenantmap.Evidence, f *tenantmap.Facts, org events.OrgID) bool {
	for _, s := range e.Senders {
		k, _ := tenantmap.ConversationKey(s.Value, e.Person)
		for _, c := range f.Conversations[k] {
			if c.Org == org {
				return true
			}
		}
	}
	return false
}

// A shared sender goes to one that held it and wrote, and nobody that held it
// as well wrote later; with one holder conversations decide nothing.
func TestProofTheLastToWriteIsAnswered(t *testing.T) {
	t.Parallel()
	shared := 0
	rapid.Check(t, func(t *rapid.T) {
		e, f := world(t)
		if rapid.Bool().Draw(t, "shared") { // seldom by chance
			e.Kind, e.Parents, f.Assigned, e.Person, e.Senders, f.Mappings = events.KindMessage, nil, nil, ann, []tenantmap.Key{number, number2}, nil
			f.Senders[number] = []tenantmap.Tenure{always(orgA), always(orgB)}
			f.Accounts[signer] = tenantmap.Account{Platform: []tenantmap.Tenure{{}}}
		}
		d := tenantmap.Resolve(&e, &f)
		if d.By != tenantmap.ByConversation {
			mute := f
			mute.Conversations = nil
			without := tenantmap.Resolve(&e, &mute)
			if d.Outcome == "" {
				require.Empty(t, cmp.Diff(d, without), "a conversation changed what it did not decide")
			}
			return
		}
		shared++
		held := func(org events.OrgID) bool {
			for _, s := range e.Senders {
				for _, h := range f.Senders[s] {
					if h.Org == org && h.Covers(e.At) {
						return true
					}
				}
			}
			return false
		}
		last := func(org events.OrgID) (newest time.Time) {
			for _, s := range e.Senders {
				k, _ := tenantmap.ConversationKey(s.Value, e.Person)
				for _, c := range f.Conversations[k] {
					for _, at := range c.Times {
						if c.Org == org && !at.After(e.At) && at.After(newest) {
							newest = at
						}
					}
				}
			}
			return newest
		}
		require.True(t, held(d.Org))
		require.False(t, last(d.Org).IsZero())
		for _, o := range []events.OrgID{orgA, orgB} {
			if o != d.Org && held(o) {
				require.True(t, last(o).Before(last(d.Org)))
			}
		}
	})
	require.NotZero(t, shared, "no shared sender was drawn")
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
		for _, k := range slices.Collect(maps.Keys(f.Conversations)) {
			f.Conversations[k] = slices.Clone(f.Conversations[k])
			slices.Reverse(f.Conversations[k])
		}
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
		for _, k := range e.Awaits(tenantmap.Resolve(&e, &f)) {
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
		for k, c := range later.Conversations {
			if !awaited[k] {
				f.Conversations[k] = c
			}
		}
		for k, a := range later.Accounts {
			if !awaited[k] {
				f.Accounts[k] = a
			}
		}
		require.Equal(t, events.Parked, tenantmap.Resolve(&e, &f).Outcome)
	})
}
