package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

const sesTopic = "arn:aws:sns:eu-west-1:111122223333:ses-events"

// topicOf returns a topic's account, for organisations, or for all if there is none.
func topicOf(purpose events.Provider, orgs ...events.OrgID) []tenants.NewAccount {
	return []tenants.NewAccount{{Provider: tenants.SNS, Purpose: string(purpose), Name: sesTopic, Platform: len(orgs) == 0, Orgs: orgs}}
}

// entitled tells what is on record of a topic that signs a provider's events.
func entitled(t *testing.T, r *postgres.Routing, p events.Provider, org events.OrgID) bool {
	t.Helper()
	k := tenantmap.AccountKey(p, sesTopic)
	f, err := r.Lookup(t.Context(), []tenantmap.Key{k, tenantmap.AccountKey(events.Twilio, "AC1"), k})
	require.NoError(t, err)
	return f.Accounts[k].Entitled(org, time.Now())
}

// A topic entitles the organisations that it is registered for to events of the
// provider that it is registered for, and of no other.
func TestATopicEntitlesForWhatItCarries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store, routing := operator(t, w), postgres.NewRouting(w.open(t, testkit.Router))
	add := func(list []tenants.NewAccount) {
		_, err := store.AddAccounts(t.Context(), list)
		require.NoError(t, err)
	}
	add(topicOf(events.Connect, w.orgA))
	require.False(t, entitled(t, routing, events.SES, w.orgA))
	add(topicOf(events.SES, w.orgB))
	require.True(t, entitled(t, routing, events.SES, w.orgB))
	require.False(t, entitled(t, routing, events.SES, w.orgA))
	require.False(t, entitled(t, routing, events.Connect, w.orgB), "contacts are signed for by their instance")
	require.False(t, entitled(t, routing, events.Connect, w.orgA))
	add(topicOf(events.SES)) // for every organisation
	require.True(t, entitled(t, routing, events.SES, w.orgA))
}

func TestARemovedTopicEntitlesNobodyFromThenOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store, routing := operator(t, w), postgres.NewRouting(w.open(t, testkit.Router))
	added, err := store.AddAccounts(t.Context(), topicOf(events.SES, w.orgA))
	require.NoError(t, err)
	before := time.Now()
	require.NoError(t, store.RemoveAccount(t.Context(), added[0].ID, ""))
	require.False(t, entitled(t, routing, events.SES, w.orgA))
	k := tenantmap.AccountKey(events.SES, sesTopic)
	f, err := routing.Lookup(t.Context(), []tenantmap.Key{k})
	require.NoError(t, err)
	require.True(t, f.Accounts[k].Entitled(w.orgA, before.Add(-time.Minute)), "what it signed before is judged as of then")
}

// An e-mail's event that its topic was not entitled to is held under the topic,
// as the provider's events name it, and freed when the topic is added.
func TestAddingATopicFreesWhatWaitedForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store, routing := operator(t, w), postgres.NewRouting(w.open(t, testkit.Router))
	resource := tenantmap.ResourceKey(events.SES, "mail-1")
	_, _, err := routing.RecordSends(t.Context(), []tenantmap.Send{{
		Org: w.orgA, Provider: events.SES, ProviderID: "mail-1", Resource: resource, SentAt: time.Now(),
	}})
	require.NoError(t, err)
	e := w.early(1)
	e.Evidence.Kind, e.Evidence.Provider, e.Evidence.Signer, e.Evidence.ProviderID = events.KindEmail, events.SES, sesTopic, "mail-1"
	e.Evidence.Resources = []tenantmap.Key{resource}
	e.Held.Provider, e.Held.Kind, e.Held.Signer = events.SES, events.KindEmail, sesTopic
	e.Decision = tenantmap.Decision{Outcome: events.Quarantined, Reason: tenantmap.ReasonNotEntitled}
	decisions, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{e})
	require.NoError(t, err)
	require.Equal(t, tenantmap.ReasonNotEntitled, decisions[0].Reason)

	added, err := store.AddAccounts(t.Context(), topicOf(events.Connect, w.orgA))
	require.NoError(t, err)
	require.Zero(t, added[0].Released, "a topic for another provider frees nothing")
	added, err = store.AddAccounts(t.Context(), topicOf(events.SES, w.orgA))
	require.NoError(t, err)
	require.EqualValues(t, 1, added[0].Released)
	decisions, _, err = routing.Settle(t.Context(), []tenantmap.Unsettled{e})
	require.NoError(t, err)
	require.Equal(t, tenantmap.Decision{Org: w.orgA, Row: decisions[0].Row, By: tenantmap.ByResource, SentAt: decisions[0].SentAt}, decisions[0])
}

// What is about no organisation is final once, whatever comes again.
func TestIgnoredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	note := func(id events.EventID) tenantmap.Ignored {
		return tenantmap.Ignored{EventID: id, Receipt: events.NewReceiptID(), ReceivedAt: time.Now()}
	}
	one, other := note("ses/t/email.event/1"), note("ses/t/email.event/2")
	again := note(one.EventID)
	for range 2 {
		require.NoError(t, routing.Ignore(t.Context(), []tenantmap.Ignored{one, again, one, other}))
	}
	require.NoError(t, routing.Ignore(t.Context(), nil))
	finals, err := routing.Finals(t.Context(), []events.EventID{one.EventID, other.EventID})
	require.NoError(t, err)
	require.Equal(t, map[events.EventID]events.ReceiptID{one.EventID: one.Receipt, other.EventID: other.Receipt}, finals)
	var ignored, repeats int
	require.NoError(t, w.owner.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM event_ids WHERE outcome = 'ignored' AND org_id IS NULL AND applied_at > now() - interval '1 hour'),
			(SELECT count(*) FROM event_duplicates)`).Scan(&ignored, &repeats))
	require.Equal(t, []int{2, 1}, []int{ignored, repeats})
}
