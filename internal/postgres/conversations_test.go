package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

// platform is an account that may sign for every organisation.
const platform = "AC000000000000000000000000000000ff"

// share gives a number to both organisations, and the world an account that
// signs for both.
func (w *world) share(t testing.TB, number string) {
	t.Helper()
	for i, org := range []events.OrgID{w.orgA, w.orgB} {
		w.exec(t, `INSERT INTO senders (id, org_id, kind, value, shared, slot, valid)
			VALUES ($1, $2, 'number', $3, true, int8range($4, $4, '[]'), tstzrange(NULL, NULL))`, uuid.NewString(), org, number, i+1)
	}
	w.exec(t, "INSERT INTO accounts (id, provider, name, platform) VALUES ($1, 'twilio', $2, true) ON CONFLICT DO NOTHING", uuid.NewString(), platform)
}

func personOf(n int) string { return fmt.Sprintf("+1202555%04d", n) }

// answer is what person n wrote to a sender.
func (w *world) answer(n int, sender string) tenantmap.Parking {
	id := 500_000 + n // a message of its own
	p := w.early(id)
	p.Evidence.Signer, p.Evidence.Creates, p.Evidence.Person = platform, true, personOf(n)
	p.Evidence.Senders = []tenantmap.Key{tenantmap.SenderKey(sender)}
	p.Held.EventID = events.NewEventID(events.Twilio, platform, events.KindMessage, sid(id))
	p.Held.Kind, p.Held.Signer, p.Held.Keys = events.KindMessage, platform, p.Evidence.Keys()
	return p
}

// outbound is a send of an organisation; its message is another than any that
// was received.
func (w *world) outbound(org events.OrgID, n int, from, to string, at time.Time) tenantmap.Send {
	id := sid(1_000_000 + n)
	return tenantmap.Send{
		Org: org, Resource: tenantmap.ResourceKey(events.Twilio, id), Provider: events.Twilio, ProviderID: id, Account: platform,
		SentAt: at, Sender: from, Person: to,
	}
}

type talk struct {
	Sender, Person string
	Org            events.OrgID
	Last           time.Time
}

func (w *world) talks(t testing.TB) []talk {
	t.Helper()
	rows, err := w.owner.Query(t.Context(), "SELECT sender, person, org_id, last_outbound_at FROM conversations ORDER BY 1, 2, 4")
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[talk])
	require.NoError(t, err)
	for i := range all {
		all[i].Last = all[i].Last.UTC()
	}
	return all
}

func TestAConversationIsTheLastSendFromASharedSender(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const shared, own, ann, bob = "+15550100005", "+15550100006", "+12025550101", "+12025550102"
	w.share(t, shared)
	w.exec(t, "INSERT INTO senders (id, org_id, kind, value, slot, valid) VALUES ($1, $2, 'number', $3, int8range(NULL, NULL), tstzrange(NULL, NULL))", uuid.NewString(), w.orgA, own)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	record := func(reason string, sends ...tenantmap.Send) {
		t.Helper()
		entries, _, err := routing.RecordSends(t.Context(), sends)
		require.NoError(t, err)
		for _, e := range entries {
			require.Equal(t, reason, e.Reason)
		}
	}
	taken := w.outbound(w.orgA, 1, shared, ann, noon)
	record("",
		taken, w.outbound(w.orgA, 2, shared, ann, noon.Add(time.Second)), w.outbound(w.orgA, 3, shared, ann, noon.Add(-time.Second)),
		w.outbound(w.orgB, 4, shared, ann, noon.Add(time.Minute)), w.outbound(w.orgA, 5, own, ann, noon.Add(time.Hour)),
		w.outbound(w.orgA, 6, shared, "", noon), w.outbound(w.orgA, 7, "", ann, noon), w.outbound(w.orgA, 8, "+15550100007", ann, noon),
		w.outbound(w.orgB, 9, shared, bob, noon))
	want := []talk{
		{shared, ann, w.orgA, noon.Add(time.Second)}, {shared, ann, w.orgB, noon.Add(time.Minute)}, {shared, bob, w.orgB, noon},
	}
	require.Empty(t, cmp.Diff(want, w.talks(t)))

	record("", w.outbound(w.orgA, 10, shared, ann, noon), w.outbound(w.orgB, 9, shared, bob, noon.Add(time.Hour)))
	want[2].Last = noon.Add(time.Hour)
	require.Empty(t, cmp.Diff(want, w.talks(t)), "an older send, recorded later, takes nothing back")

	taken.Org, taken.Person = w.orgB, "+12025550199"
	record(tenantmap.ReasonTaken, taken)
	stranger := w.outbound(events.OrgID(uuid.NewString()), 11, shared, "+12025550199", noon)
	record(tenantmap.ReasonUnknownOrg, stranger)
	require.Empty(t, cmp.Diff(want, w.talks(t)), "what was not recorded is no conversation")

	var locks int
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM tenant_map WHERE key LIKE 'conversation=%' AND org_id IS NULL AND row_id IS NULL").Scan(&locks))
	require.Equal(t, 2, locks)

	k, _ := tenantmap.ConversationKey(shared, ann)
	other, _ := tenantmap.ConversationKey(own, ann)
	facts, err := routing.Lookup(t.Context(), []tenantmap.Key{k, other})
	require.NoError(t, err)
	require.Len(t, facts.Conversations, 1)
	require.ElementsMatch(t, []tenantmap.Conversation{{Org: w.orgA, Last: want[0].Last}, {Org: w.orgB, Last: want[1].Last}}, facts.Conversations[k])
	require.Empty(t, facts.Mappings)
}

func TestAnAnswerWaitsForTheLastWordOfItsConversation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const shared = "+15550100005"
	w.share(t, shared)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	p := w.answer(1, shared)
	park := func() tenantmap.Decision {
		t.Helper()
		decisions, err := routing.Park(t.Context(), []tenantmap.Parking{p})
		require.NoError(t, err)
		return decisions[0]
	}
	record := func(s tenantmap.Send) int64 {
		t.Helper()
		_, ready, err := routing.RecordSends(t.Context(), []tenantmap.Send{s})
		require.NoError(t, err)
		return ready
	}
	silent := tenantmap.Decision{Outcome: events.Parked, Reason: tenantmap.ReasonNoConversation}
	require.Equal(t, silent, park())
	require.Zero(t, record(w.outbound(w.orgA, 1, shared, personOf(2), noon)), "somebody else's")
	require.Zero(t, record(w.outbound(w.orgA, 2, "+15550100006", personOf(1), noon)), "from another sender")
	require.EqualValues(t, 1, record(w.outbound(w.orgA, 3, shared, personOf(1), noon.Add(time.Hour))))
	require.Equal(t, silent, park(), "it was written after the answer")
	require.EqualValues(t, 1, record(w.outbound(w.orgB, 4, shared, personOf(1), noon.Add(-time.Hour))))
	d := park()
	require.Equal(t, tenantmap.ByConversation, d.By)
	require.Equal(t, w.orgB, d.Org)
	require.Equal(t, []events.OrgID{w.orgA}, d.Others)

	// Two who wrote at one moment: it is somebody's, and nobody can say whose.
	p = w.answer(5, shared)
	record(w.outbound(w.orgA, 5, shared, personOf(5), noon.Add(-time.Hour)))
	record(w.outbound(w.orgB, 6, shared, personOf(5), noon.Add(-time.Hour)))
	require.Equal(t, tenantmap.Decision{Outcome: events.Quarantined, Reason: tenantmap.ReasonContradiction}, park())
	require.EqualValues(t, 1, record(w.outbound(w.orgB, 7, shared, personOf(5), noon.Add(-time.Minute))), "a later word decides")
	require.Equal(t, w.orgB, park().Org)
}
