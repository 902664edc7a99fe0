package tenantmap_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

const (
	orgA = events.OrgID("aaaaaaaa-0000-4000-8000-000000000000")
	orgB = events.OrgID("bbbbbbbb-0000-4000-8000-000000000000")
	rowA = events.RowID("aaaaaaaa-0000-4000-8000-000000000001")
	rowB = events.RowID("bbbbbbbb-0000-4000-8000-000000000001")
)

var (
	noon    = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	before  = noon.Add(-time.Hour)
	after   = noon.Add(time.Hour)
	signer  = tenantmap.AccountKey(events.Twilio, "AC1")
	known   = tenantmap.ResourceKey(events.Twilio, "SM1")
	echoed  = tenantmap.EchoKey(string(rowA))
	number  = tenantmap.SenderKey("+15550100001")
	number2 = tenantmap.SenderKey("+15550100009")
)

const (
	ann = "+15550100002"
	bob = "+15550100003"
)

func always(org events.OrgID) tenantmap.Tenure { return tenantmap.Tenure{Org: org} }

func account(tenures ...tenantmap.Tenure) map[tenantmap.Key]tenantmap.Account {
	return map[tenantmap.Key]tenantmap.Account{signer: {Orgs: tenures}}
}

func mapped(k tenantmap.Key, org events.OrgID, row events.RowID, sentAt time.Time) map[tenantmap.Key]tenantmap.Mapping {
	return map[tenantmap.Key]tenantmap.Mapping{k: {Org: org, Row: row, SentAt: sentAt}}
}

func held(number tenantmap.Key, tenures ...tenantmap.Tenure) map[tenantmap.Key][]tenantmap.Tenure {
	return map[tenantmap.Key][]tenantmap.Tenure{number: tenures}
}

// both share the number; talked is when each wrote last to Ann.
func both(talked ...tenantmap.Conversation) tenantmap.Facts {
	k, _ := tenantmap.ConversationKey(number.Value, ann)
	return tenantmap.Facts{
		Senders: held(number, always(orgA), always(orgB)), Accounts: account(always(orgA), always(orgB)),
		Conversations: map[tenantmap.Key][]tenantmap.Conversation{k: talked},
	}
}

func wroteAt(org events.OrgID, at time.Time) tenantmap.Conversation {
	return tenantmap.Conversation{Org: org, Times: []time.Time{at}}
}

// fromAnn is a message that Ann wrote to one of our numbers.
func fromAnn() tenantmap.Evidence {
	e := inbound()
	e.Person = ann
	return e
}

// status is a callback about an outbound message; it creates nothing.
func status() tenantmap.Evidence {
	return tenantmap.Evidence{
		Kind: events.KindMessageStatus, Provider: events.Twilio, Signer: "AC1", ProviderID: "SM1", At: noon,
		Resources: []tenantmap.Key{known, echoed}, Senders: []tenantmap.Key{number},
	}
}

// inbound is a message to one of our numbers; it creates its row.
func inbound() tenantmap.Evidence {
	e := status()
	e.Resources, e.Kind = []tenantmap.Key{known}, events.KindMessage
	return e
}

func goes(org events.OrgID, row events.RowID, by string) tenantmap.Decision {
	return tenantmap.Decision{Org: org, Row: row, By: by}
}

func created(org events.OrgID, by string) tenantmap.Decision {
	return goes(org, events.DeriveRowID(org, events.Twilio, "SM1"), by)
}

func isHeld(state events.Outcome, reason string) tenantmap.Decision {
	return tenantmap.Decision{Outcome: state, Reason: reason}
}

// The rules of DESIGN, "Resolving the organisation", one by one.
func TestResolve(t *testing.T) {
	t.Parallel()
	platform := map[tenantmap.Key]tenantmap.Account{signer: {Platform: []tenantmap.Tenure{{}}}}
	parked := isHeld(events.Parked, tenantmap.ReasonNoMapping)
	notEntitled := isHeld(events.Quarantined, tenantmap.ReasonNotEntitled)
	contradiction := isHeld(events.Quarantined, tenantmap.ReasonContradiction)
	silent := isHeld(events.Parked, tenantmap.ReasonNoConversation)
	const lasts = 90 * 24 * time.Hour
	for _, c := range []struct {
		name     string
		evidence tenantmap.Evidence
		facts    tenantmap.Facts
		want     tenantmap.Decision
	}{
		{
			"1: a known id decides", status(),
			tenantmap.Facts{Mappings: mapped(known, orgA, rowA, before), Accounts: account(always(orgA))},
			goes(orgA, rowA, tenantmap.ByResource),
		},
		{
			"1: our own echoed id decides", status(),
			tenantmap.Facts{Mappings: mapped(echoed, orgA, rowA, before), Accounts: account(always(orgA))},
			goes(orgA, rowA, tenantmap.ByEcho),
		},
		{
			"1: the platform's account signs for everybody", status(),
			tenantmap.Facts{Mappings: mapped(known, orgA, rowA, before), Accounts: platform},
			goes(orgA, rowA, tenantmap.ByResource),
		},
		{
			"1: another organisation's account does not", status(),
			tenantmap.Facts{Mappings: mapped(known, orgA, rowA, before), Accounts: account(always(orgB))},
			notEntitled,
		},
		{
			"1: an account that is not on record does not", status(),
			tenantmap.Facts{Mappings: mapped(known, orgA, rowA, before)},
			notEntitled,
		},
		{
			"1: entitled when it was sent, no longer now", status(),
			tenantmap.Facts{
				Mappings: mapped(known, orgA, rowA, before),
				Accounts: account(tenantmap.Tenure{Org: orgA, To: noon}),
			},
			goes(orgA, rowA, tenantmap.ByResource),
		},
		{
			"1: entitled now, not yet when it was sent", status(),
			tenantmap.Facts{
				Mappings: mapped(known, orgA, rowA, before),
				Accounts: account(tenantmap.Tenure{Org: orgA, From: noon}),
			},
			notEntitled,
		},
		{
			"1: without a time of sending the event's time counts", status(),
			tenantmap.Facts{
				Mappings: mapped(known, orgA, rowA, time.Time{}),
				Accounts: account(tenantmap.Tenure{Org: orgA, From: noon}),
			},
			goes(orgA, rowA, tenantmap.ByResource),
		},
		{
			"1: numbers are no evidence beside a known id", inbound(),
			tenantmap.Facts{
				Mappings: mapped(known, orgA, rowA, before), Senders: held(number, always(orgB)),
				Accounts: account(always(orgA), always(orgB)),
			},
			goes(orgA, rowA, tenantmap.ByResource),
		},
		{
			"1: two ids of two organisations contradict", status(),
			tenantmap.Facts{
				Mappings: map[tenantmap.Key]tenantmap.Mapping{known: {Org: orgA, Row: rowA}, echoed: {Org: orgB, Row: rowB}},
				Accounts: account(always(orgA), always(orgB)),
			},
			contradiction,
		},
		{
			"1: two rows of one organisation contradict", status(),
			tenantmap.Facts{
				Mappings: map[tenantmap.Key]tenantmap.Mapping{known: {Org: orgA, Row: rowA}, echoed: {Org: orgA, Row: rowB}},
				Accounts: account(always(orgA)),
			},
			isHeld(events.Quarantined, tenantmap.ReasonOtherRow),
		},
		{
			"2: a status callback never goes by its numbers", status(),
			tenantmap.Facts{Senders: held(number, always(orgA)), Accounts: account(always(orgA))},
			parked,
		},
		{
			"2: who holds the number", inbound(),
			tenantmap.Facts{Senders: held(number, always(orgA)), Accounts: account(always(orgA), always(orgB))},
			created(orgA, tenantmap.BySender),
		},
		{
			"2: who held it at the event's time", inbound(),
			tenantmap.Facts{
				Senders:  held(number, tenantmap.Tenure{Org: orgA, To: noon}, tenantmap.Tenure{Org: orgB, From: noon}),
				Accounts: account(always(orgA), always(orgB)),
			},
			created(orgB, tenantmap.BySender),
		},
		{
			"2: nobody held it then", inbound(),
			tenantmap.Facts{Senders: held(number, tenantmap.Tenure{Org: orgA, From: after}), Accounts: account(always(orgA), always(orgB))},
			parked,
		},
		{
			"2: the holder's account did not sign", inbound(),
			tenantmap.Facts{Senders: held(number, always(orgA)), Accounts: account(always(orgB))},
			notEntitled,
		},
		{
			"2: entitlement counts at the event's time", inbound(),
			tenantmap.Facts{Senders: held(number, always(orgA)), Accounts: account(tenantmap.Tenure{Org: orgA, To: noon})},
			notEntitled,
		},
		{
			"2: two senders of two organisations contradict",
			func() tenantmap.Evidence { e := inbound(); e.Senders = append(e.Senders, number2); return e }(),
			tenantmap.Facts{
				Senders:  map[tenantmap.Key][]tenantmap.Tenure{number: {always(orgA)}, number2: {always(orgB)}},
				Accounts: account(always(orgA), always(orgB)),
			},
			contradiction,
		},
		{"2: shared, and nobody wrote", fromAnn(), both(), silent},
		{
			"2: shared, and the person is not known", inbound(), both(wroteAt(orgA, before)), silent,
		},
		{
			"2: shared, one wrote", fromAnn(), both(wroteAt(orgB, before)), created(orgB, tenantmap.ByConversation),
		},
		{
			"2: shared, both wrote: the last is answered", fromAnn(), both(wroteAt(orgA, before.Add(time.Millisecond)), wroteAt(orgB, before)),
			created(orgA, tenantmap.ByConversation),
		},
		{
			"2: shared, both wrote in one moment", fromAnn(), both(wroteAt(orgA, before), wroteAt(orgB, before)), contradiction,
		},
		{
			"2: what was written after the event is not answered by it", fromAnn(), both(wroteAt(orgA, before), wroteAt(orgB, after)),
			created(orgA, tenantmap.ByConversation),
		},
		{
			"2: a clock may be a little ahead", fromAnn(), both(wroteAt(orgA, before), wroteAt(orgB, noon.Add(5*time.Second))),
			created(orgB, tenantmap.ByConversation),
		},
		{
			"2: and not by more", fromAnn(), both(wroteAt(orgB, noon.Add(5*time.Second+time.Millisecond))), silent,
		},
		{
			"2: shared, the one that is answered wrote again before that is decided", fromAnn(), both(
				tenantmap.Conversation{Org: orgA, Times: []time.Time{after, before.Add(time.Second)}}, wroteAt(orgB, before),
			),
			created(orgA, tenantmap.ByConversation),
		},
		{
			"2: shared, one wrote so often since that nobody can tell any more", fromAnn(), both(
				tenantmap.Conversation{Org: orgA, Times: slices.Repeat([]time.Time{after}, tenantmap.KeptTimes)}, wroteAt(orgB, before),
			),
			contradiction,
		},
		{
			"2: 90 days later", fromAnn(), both(wroteAt(orgA, noon.Add(-lasts))), created(orgA, tenantmap.ByConversation),
		},
		{
			"2: more than 90 days later", fromAnn(), both(wroteAt(orgA, noon.Add(-lasts-time.Millisecond))), silent,
		},
		{
			"2: who wrote last no longer holds the number", fromAnn(),
			func() tenantmap.Facts {
				f := both(wroteAt(orgA, before), wroteAt(orgB, before.Add(time.Minute)))
				orgC := events.OrgID("cccccccc-0000-4000-8000-000000000000")
				f.Senders = held(number, always(orgA), always(orgC), tenantmap.Tenure{Org: orgB, To: noon})
				return f
			}(),
			created(orgA, tenantmap.ByConversation),
		},
		{
			"2: the account that signed may not speak for who wrote last", fromAnn(),
			func() tenantmap.Facts {
				f := both(wroteAt(orgA, before), wroteAt(orgB, before.Add(time.Minute)))
				f.Accounts = account(always(orgA))
				return f
			}(),
			notEntitled,
		},
		{
			"2: the account's only organisation wrote nothing", fromAnn(),
			func() tenantmap.Facts { f := both(); f.Accounts = account(always(orgA)); return f }(),
			silent,
		},
		{
			"2: a number of one's own in a shared messaging service",
			func() tenantmap.Evidence { e := fromAnn(); e.Senders = append(e.Senders, number2); return e }(),
			func() tenantmap.Facts {
				f := both(wroteAt(orgA, before))
				f.Senders[number2] = []tenantmap.Tenure{always(orgB)}
				return f
			}(),
			created(orgB, tenantmap.BySender),
		},
		{
			"2: written to from either sender",
			func() tenantmap.Evidence { e := fromAnn(); e.Senders = append(e.Senders, number2); return e }(),
			func() tenantmap.Facts {
				f := both(wroteAt(orgA, before))
				f.Senders[number2] = []tenantmap.Tenure{always(orgA), always(orgB)}
				k, _ := tenantmap.ConversationKey(number2.Value, ann)
				f.Conversations[k] = []tenantmap.Conversation{wroteAt(orgB, before.Add(time.Minute))}
				return f
			}(),
			created(orgB, tenantmap.ByConversation),
		},
		{
			"3: an account of one organisation", inbound(),
			tenantmap.Facts{Accounts: account(always(orgA))},
			created(orgA, tenantmap.ByAccount),
		},
		{
			"3: of one organisation at that time", inbound(),
			tenantmap.Facts{Accounts: account(tenantmap.Tenure{Org: orgA, To: noon}, tenantmap.Tenure{Org: orgB, From: noon})},
			created(orgB, tenantmap.ByAccount),
		},
		{
			"3: an account of two organisations tells nothing", inbound(),
			tenantmap.Facts{Accounts: account(always(orgA), always(orgB))},
			parked,
		},
		{
			"3: the platform's account tells nothing", inbound(),
			tenantmap.Facts{Accounts: map[tenantmap.Key]tenantmap.Account{signer: {Platform: []tenantmap.Tenure{{}}, Orgs: []tenantmap.Tenure{always(orgA)}}}},
			parked,
		},
		{
			"3: the status of a call that came to us waits for no send",
			func() tenantmap.Evidence { e := status(); e.Kind, e.Inbound = events.KindCall, true; return e }(),
			tenantmap.Facts{Accounts: account(always(orgA))},
			created(orgA, tenantmap.ByAccount),
		},
		{
			"3: a status callback never goes by its account", status(),
			tenantmap.Facts{Accounts: account(always(orgA))},
			parked,
		},
		{"nothing on record", inbound(), tenantmap.Facts{}, parked},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := tenantmap.Resolve(&c.evidence, &c.facts)
			require.Empty(t, cmp.Diff(c.want, got, cmpopts.IgnoreFields(got, "Detail", "Enter", "SentAt")))
		})
	}
}

func TestOthers(t *testing.T) {
	t.Parallel()
	orgC := events.OrgID("cccccccc-0000-4000-8000-000000000000")
	e := fromAnn()
	e.Senders = append(e.Senders, number2)
	f := both(wroteAt(orgB, after), wroteAt(orgC, time.Time{}))
	k, _ := tenantmap.ConversationKey(number2.Value, ann)
	f.Conversations[k] = []tenantmap.Conversation{wroteAt(orgA, before), wroteAt(orgB, before)}
	toBob, _ := tenantmap.ConversationKey(number.Value, bob)
	f.Conversations[toBob] = []tenantmap.Conversation{wroteAt(orgC, before)}
	require.Equal(t, []events.OrgID{orgB}, tenantmap.Others(&e, &f, orgA), "whoever wrote, at whatever time, if the account may speak for them")
	f.Accounts = account(always(orgA), always(orgB), always(orgC))
	require.Equal(t, []events.OrgID{orgB, orgC}, tenantmap.Others(&e, &f, orgA))
	f.Accounts = account(always(orgA), tenantmap.Tenure{Org: orgB, To: noon}, tenantmap.Tenure{Org: orgC, From: noon})
	require.Equal(t, []events.OrgID{orgA, orgC}, tenantmap.Others(&e, &f, orgB), "as of the event's time")
	e.Person = ""
	require.Empty(t, tenantmap.Others(&e, &f, orgA))
}

func TestTenureCovers(t *testing.T) {
	t.Parallel()
	tenure := tenantmap.Tenure{Org: orgA, From: before, To: noon}
	require.False(t, tenure.Covers(before.Add(-1)))
	require.True(t, tenure.Covers(before), "from the first instant")
	require.True(t, tenure.Covers(noon.Add(-1)))
	require.False(t, tenure.Covers(noon), "the end belongs to the next holder")
	require.True(t, always(orgA).Covers(time.Time{}))
	require.True(t, always(orgA).Covers(after))
}

func TestKeys(t *testing.T) {
	t.Parallel()
	require.Equal(t, "resource=twilio:SM1", known.String())
	require.Equal(t, "sender=+15550100001", number.String())
	require.Equal(t, "account=twilio:AC1", signer.String())

	e := status()
	require.Equal(t, []tenantmap.Key{known, echoed, signer}, e.Keys(), "a number cannot free a status callback")
	e = inbound()
	require.Equal(t, []tenantmap.Key{known, number, signer}, e.Keys())
	e = fromAnn()
	talk, ok := tenantmap.ConversationKey(number.Value, ann)
	require.True(t, ok)
	require.Equal(t, []tenantmap.Key{known, number, talk, signer}, e.Keys())
	require.Equal(t, "conversation=+15550100001|+15550100002", talk.String())
	sender, person := talk.Sides()
	require.Equal(t, []string{number.Value, ann}, []string{sender, person})
	for _, sides := range [][2]string{{"", ann}, {number.Value, ""}, {"a|b", "c"}, {"a", "b|c"}} {
		_, ok := tenantmap.ConversationKey(sides[0], sides[1])
		require.False(t, ok, "%q could be read in two ways, or in none", sides)
	}

	require.True(t, signer.Less(known))
	require.False(t, known.Less(signer))
	require.False(t, known.Less(known))
}
