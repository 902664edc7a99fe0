package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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

// own gives a number to organisation A alone.
func (w *world) own(t testing.TB, number string) {
	t.Helper()
	w.exec(t, "INSERT INTO senders (id, org_id, kind, value, slot, valid) VALUES (gen_random_uuid(), $1, 'number', $2, int8range(NULL, NULL), tstzrange(NULL, NULL))", w.orgA, number)
}

func personOf(n int) string { return fmt.Sprintf("+1202555%04d", n) }

// answer is what person n wrote to a sender.
func (w *world) answer(n int, sender string) tenantmap.Unsettled {
	id := 500_000 + n // a message of its own
	p := w.early(id)
	p.Evidence.Signer, p.Evidence.Kind, p.Evidence.Person = platform, events.KindMessage, personOf(n)
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

// request is a STOP or START of person n at a sender, answering org A.
func (w *world) request(n int, sender string, optedOut bool, at time.Time) tenantmap.Request {
	e := w.answer(n, sender).Evidence
	e.At = at
	word := map[bool]string{true: "STOP", false: "START"}[optedOut]
	return tenantmap.Request{Evidence: e, OptedOut: optedOut, Event: events.Message{
		EventID: events.NewEventID(events.Twilio, platform, events.KindMessage, e.ProviderID+word), Receipt: events.NewReceiptID(),
		Kind: events.KindConsent, Provider: events.Twilio, Org: w.orgA, Row: row(w.orgA, n), Account: platform, ProviderID: e.ProviderID,
		From: personOf(n), To: sender, Body: word, ReceivedAt: at,
	}}
}

type talk struct {
	Sender, Person string
	Org            events.OrgID
	Last           time.Time
}

func (w *world) talks(t testing.TB) []talk {
	t.Helper()
	all := collect(t, w.owner, pgx.RowToStructByPos[talk], "SELECT sender, person, org_id, last_outbound_at FROM conversations ORDER BY 1, 2, 4")
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
	w.own(t, own)
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
	require.ElementsMatch(t, []tenantmap.Conversation{
		{Org: w.orgA, Times: []time.Time{noon.Add(time.Second), noon, noon.Add(-time.Second)}}, {Org: w.orgB, Times: []time.Time{noon.Add(time.Minute)}},
	}, facts.Conversations[k])
	require.Empty(t, facts.Mappings)

	for i := range 2 * tenantmap.KeptTimes {
		record("", w.outbound(w.orgA, 20+i, shared, ann, noon.Add(-time.Duration(i)*time.Hour)))
	}
	// A router of the version before writes the last time alone.
	w.exec(t, "UPDATE conversations SET last_outbound_at = $1 WHERE org_id = $2 AND person = $3", noon.Add(time.Hour), w.orgA, ann)
	facts, err = routing.Lookup(t.Context(), []tenantmap.Key{k})
	require.NoError(t, err)
	kept := map[events.OrgID][]time.Time{}
	for _, c := range facts.Conversations[k] {
		kept[c.Org] = c.Times
	}
	require.Len(t, kept[w.orgA], tenantmap.KeptTimes+1)
	require.Equal(t, []time.Time{noon.Add(time.Hour), noon.Add(time.Second), noon}, kept[w.orgA][:3])
	require.Equal(t, []time.Time{noon.Add(time.Minute)}, kept[w.orgB])
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
		decisions, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{p})
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

	// Two who wrote at one moment: it is somebody's, and nobody can say whose.
	p = w.answer(5, shared)
	record(w.outbound(w.orgA, 5, shared, personOf(5), noon.Add(-time.Hour)))
	record(w.outbound(w.orgB, 6, shared, personOf(5), noon.Add(-time.Hour)))
	tie := park()
	require.Equal(t, []string{"quarantined", tenantmap.ReasonContradiction}, []string{string(tie.Outcome), tie.Reason})
	require.Contains(t, tie.Detail, "sender="+string(w.orgA))
	require.Contains(t, tie.Detail, "sender="+string(w.orgB))
	require.EqualValues(t, 1, record(w.outbound(w.orgB, 7, shared, personOf(5), noon.Add(-time.Minute))), "a later word decides")
	require.Equal(t, w.orgB, park().Org)
}

// A request meets every send of its conversation, whichever is recorded first,
// and the last request is the one that a send finds.
func TestARequestMeetsEverySend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const shared, own = "+15550100005", "+15550100006"
	w.share(t, shared)
	w.own(t, own)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	ask := func(requests ...tenantmap.Request) [][]events.OrgID {
		t.Helper()
		concerned, err := routing.Ask(t.Context(), requests)
		require.NoError(t, err)
		return concerned
	}
	finds := func(org events.OrgID, n int, sender string) *events.Message {
		t.Helper()
		entries, _, err := routing.RecordSends(t.Context(), []tenantmap.Send{w.outbound(org, 100*n, sender, personOf(n), noon), w.outbound(w.orgA, 100*n+1, sender, personOf(9), noon)})
		require.NoError(t, err)
		require.Nil(t, entries[1].Asked, "somebody else asked nothing")
		return entries[0].Asked
	}
	require.Nil(t, finds(w.orgB, 1, shared))
	stop, start := w.request(1, shared, true, noon), w.request(1, shared, false, noon)
	require.Equal(t, [][]events.OrgID{{w.orgB}, nil}, ask(stop, w.request(2, shared, true, noon)))
	require.Empty(t, cmp.Diff(&stop.Event, finds(w.orgB, 1, shared)))
	require.Equal(t, "STOP", finds(w.orgB, 2, shared).Body, "recorded after it was asked")

	for _, c := range []struct {
		asked []tenantmap.Request
		want  tenantmap.Request
	}{
		{[]tenantmap.Request{start}, stop}, // a tie
		{[]tenantmap.Request{w.request(1, shared, false, noon.Add(-time.Second))}, stop},
		{[]tenantmap.Request{w.request(1, shared, false, noon.Add(time.Second)), stop, start}, w.request(1, shared, false, noon.Add(time.Second))},
		{[]tenantmap.Request{stop}, w.request(1, shared, false, noon.Add(time.Second))},
	} {
		ask(c.asked...)
		got := finds(w.orgB, 1, shared)
		c.want.Event.Receipt = got.Receipt
		require.Empty(t, cmp.Diff(&c.want.Event, got))
	}

	require.Equal(t, [][]events.OrgID{nil}, ask(w.request(3, own, true, noon)))
	require.Nil(t, finds(w.orgA, 3, own), "a sender of one's own is nobody else's business")
	var kept int
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM sender_requests").Scan(&kept))
	require.Equal(t, 2, kept)
}

type askFunc func(context.Context, pgx.Tx, []tenantmap.Request) ([][]events.OrgID, error)

// miss plays one schedule of keeping a request against recording the send of an
// organisation that it concerns, and tells whether neither saw the other.
func (w *world) miss(t testing.TB, pool *pgxpool.Pool, n int, schedule []int, ask askFunc) (missed, waited bool) {
	t.Helper()
	const shared = "+15550100005"
	ctx := t.Context()
	var concerned [][]events.OrgID
	var entries []tenantmap.Entry
	asker := begin(ctx, pool, postgres.IndifferentToAsking, func(ctx context.Context, tx pgx.Tx) (err error) {
		concerned, err = ask(ctx, tx, []tenantmap.Request{w.request(n, shared, true, noon)})
		return err
	})
	recorder := begin(ctx, pool, postgres.IndifferentToAsking, func(ctx context.Context, tx pgx.Tx) (err error) {
		entries, _, err = postgres.RecordIn(ctx, tx, []tenantmap.Send{w.outbound(w.orgB, n, shared, personOf(n), noon)})
		return err
	})
	errs, waited := play(ctx, t, w.owner, schedule, asker, recorder)
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	return len(concerned[0]) == 0 && entries[0].Asked == nil, waited
}

// The numbers of turns, commit included.
const (
	askerSteps         = 5
	askerUnlockedSteps = 3
	talkerSteps        = 5
)

func TestNoRequestIsMissedInAnyInterleaving(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.share(t, "+15550100005")
	pool := w.db.Pool(t, testkit.Router)
	schedules := interleavings(askerSteps, talkerSteps)
	waits := 0
	for n, schedule := range schedules {
		missed, waited := w.miss(t, pool, n, schedule, postgres.AskIn)
		require.False(t, missed, "an organisation does not hear of it in the schedule %v", schedule)
		if waited {
			waits++
		}
	}
	require.NotZero(t, waits, "the lock was never contended: the schedules do not test it")
	t.Logf("%d interleavings, %d of them waited for the lock, 0 missed requests", len(schedules), waits)
}

func TestAskingWithoutTheLockMissesRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.share(t, "+15550100005")
	pool := w.db.Pool(t, testkit.Router)
	schedules := interleavings(askerUnlockedSteps, talkerSteps)
	missed := 0
	for n, schedule := range schedules {
		if m, _ := w.miss(t, pool, n, schedule, postgres.AskUnlockedIn); m {
			missed++
		}
	}
	require.NotZero(t, missed, "the race that the lock closes cannot be shown")
	t.Logf("%d interleavings without the lock, %d missed requests", len(schedules), missed)
}
