package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/messaging"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

// desk is a worker's store over a world, with its position on one partition.
type desk struct {
	*world
	messages *postgres.Messages
	ledger   *postgres.Ledger
	at       int64
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	w := newWorld(t)
	db := w.open(t, testkit.Worker)
	d := &desk{world: w, messages: postgres.NewMessages(db, events.GroupWorkers), ledger: postgres.NewLedger(db, events.GroupWorkers)}
	require.NoError(t, d.ledger.Plant(t.Context(), events.TopicMessages, 0, 0))
	return d
}

func (d *desk) fence(n int) bus.Fence {
	return bus.Fence{Topic: events.TopicMessages, At: d.at, Next: d.at + int64(n)}
}

// apply applies a batch at the desk's position and moves on.
func (d *desk) apply(t testing.TB, batch ...events.Message) events.Effect {
	t.Helper()
	effect, err := d.messages.Apply(context.Background(), []bus.Fence{d.fence(len(batch))}, batch)
	require.NoError(t, err)
	d.at += int64(len(batch))
	return effect
}

var testCampaign = "00000000-0000-4000-8000-00000000c0de"

// status is a callback about message n of an organisation.
func (d *desk) status(org events.OrgID, n int, status, code string, second int) events.Message {
	return events.Message{
		EventID: events.EventID(fmt.Sprintf("twilio/%s/message.status/%s:%s:%s", org, sid(n), status, code)), Receipt: events.NewReceiptID(),
		Kind: events.KindMessageStatus, Provider: events.Twilio, Org: org, Row: row(org, n), ResolvedBy: tenantmap.ByResource,
		ProviderID: sid(n), Channel: events.SMS, Direction: events.Outbound, Status: status, ErrorCode: code,
		ReceivedAt: noon.Add(time.Duration(second) * time.Second), Raw: events.Position{Topic: events.TopicRawTwilio}, Packed: []byte{1},
	}
}

func (d *desk) sent(org events.OrgID, n int) events.Message {
	m := d.status(org, n, "accepted", "", 0)
	m.Kind, m.CampaignID, m.SentAt = events.KindSend, testCampaign, &noon
	m.EventID = events.EventID(fmt.Sprintf("sender/%s/send/%s", org, sid(n)))
	return m
}

func row(org events.OrgID, n int) events.RowID { return events.DeriveRowID(org, events.Twilio, sid(n)) }

func (d *desk) state(t testing.TB, org events.OrgID, n int) (s messaging.State, version int64) {
	t.Helper()
	err := d.owner.QueryRow(context.Background(), "SELECT status, error_code, version FROM sms_messages WHERE org_id = $1 AND id = $2", org, row(org, n)).
		Scan(&s.Status, &s.ErrorCode, &version)
	require.NoError(t, err)
	return s, version
}

// counters returns the campaign's numbers, and the same recounted from the rows.
func (d *desk) counters(t testing.TB, org events.OrgID) (kept, recounted map[string]int64) {
	t.Helper()
	read := func(sql string) map[string]int64 {
		rows, err := d.owner.Query(context.Background(), sql, org, testCampaign)
		require.NoError(t, err)
		out := map[string]int64{}
		for rows.Next() {
			var status string
			var n int64
			require.NoError(t, rows.Scan(&status, &n))
			if n != 0 {
				out[status] = n
			}
		}
		require.NoError(t, rows.Err())
		return out
	}
	return read("SELECT status, sum(messages)::bigint FROM campaign_counters WHERE org_id = $1 AND campaign_id = $2 GROUP BY status"),
		read("SELECT status, count(*) FROM sms_messages WHERE org_id = $1 AND campaign_id = $2 GROUP BY status")
}

func TestApplyingABatchMergesCountsAndAnnounces(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	effect := d.apply(t, d.sent(d.orgA, 1), d.status(d.orgA, 1, "sent", "", 1), d.status(d.orgA, 1, "delivered", "", 2), d.status(d.orgA, 1, "queued", "", 3))
	require.Equal(t, map[events.Outcome]int{events.Applied: 3, events.Stale: 1}, effect.Outcomes)
	var said []string
	for i, s := range effect.Status {
		said = append(said, s.Status)
		require.EqualValues(t, i+1, s.Version)
		require.Equal(t, testCampaign, s.CampaignID)
	}
	require.Equal(t, []string{"accepted", "sent", "delivered"}, said)
	kept, recounted := d.counters(t, d.orgA)
	require.Equal(t, map[string]int64{"delivered": 1}, kept)
	require.Equal(t, recounted, kept)
	var reached int64
	require.NoError(t, d.owner.QueryRow(t.Context(), "SELECT sum(reached)::bigint FROM campaign_counters WHERE status = 'queued'").Scan(&reached))
	require.EqualValues(t, 1, reached, "a stale status was reached all the same")
}

func TestARepeatUnderANewReceiptIsADuplicateAndUnderItsOwnIsNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	e := d.status(d.orgA, 1, "sent", "", 1)
	d.apply(t, e)
	effect := d.apply(t, e)
	require.Zero(t, effect.Duplicates)
	again := e
	again.Receipt = events.NewReceiptID()
	effect = d.apply(t, again, again)
	require.Empty(t, effect.Outcomes)
	require.Empty(t, effect.Status)
	var dups int
	require.NoError(t, d.owner.QueryRow(t.Context(), "SELECT count(*) FROM event_duplicates WHERE receipt_id <> $1", e.Receipt).Scan(&dups))
	require.Equal(t, 1, dups, "one receipt, however often Kafka brings it")
	_, version := d.state(t, d.orgA, 1)
	require.EqualValues(t, 1, version)
}

func TestAStaleFenceAppliesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.apply(t, d.status(d.orgA, 1, "sent", "", 1))
	zombie := bus.Fence{Topic: events.TopicMessages, At: 0, Next: 5}
	_, err := d.messages.Apply(t.Context(), []bus.Fence{zombie}, []events.Message{d.status(d.orgA, 1, "delivered", "", 2)})
	require.ErrorIs(t, err, bus.ErrFenced)
	s, _ := d.state(t, d.orgA, 1)
	require.Equal(t, "sent", s.Status)
	require.ErrorIs(t, d.ledger.Hold(t.Context(), zombie, nil), bus.ErrFenced)
}

func TestReplayBringsTheSameStatusEventsBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	batch := []events.Message{d.sent(d.orgA, 1), d.status(d.orgA, 1, "sent", "", 1), d.status(d.orgB, 1, "failed", "30003", 2), d.status(d.orgA, 1, "queued", "", 3)}
	first := d.apply(t, batch...)
	for i := range batch {
		batch[i].Replay = true
	}
	f := bus.Fence{Topic: events.TopicMessages, At: d.at, Next: d.at}
	second, err := d.messages.Apply(t.Context(), []bus.Fence{f}, batch)
	require.NoError(t, err)
	require.Empty(t, second.Outcomes)
	require.Len(t, second.Status, 3)
	byID := map[string]events.Status{}
	for _, s := range first.Status {
		byID[s.EventID()] = s
	}
	for _, s := range second.Status {
		require.Empty(t, cmp.Diff(byID[s.EventID()], s))
	}
}

// A status event that was published before its message had a provider's id, or a
// campaign, comes again as it was.
func TestReplayDoesNotKnowMoreThanTheFirstTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	intended := d.status(d.orgA, 1, events.Intended, "", 0)
	intended.ProviderID = ""
	first := d.apply(t, intended)
	d.apply(t, d.sent(d.orgA, 1))
	intended.Replay = true
	again, err := d.messages.Apply(t.Context(), []bus.Fence{d.fence(0)}, []events.Message{intended})
	require.NoError(t, err)
	require.Empty(t, first.Status[0].ProviderID)
	require.Empty(t, cmp.Diff(records(t, first.Status), records(t, again.Status)))
}

func TestReplayAppliesWhatIsMissing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.at = 10 // as if the rows below were lost: the database was restored
	require.NoError(t, d.ledger.Advance(t.Context(), bus.Fence{Topic: events.TopicMessages, Next: 10}))
	e := d.status(d.orgA, 1, "sent", "", 1)
	e.Replay = true
	effect, err := d.messages.Apply(t.Context(), []bus.Fence{{Topic: events.TopicMessages, At: 10, Next: 10}}, []events.Message{e})
	require.NoError(t, err)
	require.Len(t, effect.Status, 1)
}

func TestTheSameIdsOfTwoOrganisationsNeverMeet(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	shared := events.RowID(uuid.NewString())
	a, b := d.status(d.orgA, 1, "sent", "", 1), d.status(d.orgB, 1, "delivered", "", 1)
	a.Row, b.Row = shared, shared
	d.apply(t, a, b)
	var rows int
	require.NoError(t, d.owner.QueryRow(t.Context(),
		"SELECT count(*) FROM sms_messages WHERE id = $1 AND ((org_id = $2 AND status = 'sent') OR (org_id = $3 AND status = 'delivered'))",
		shared, d.orgA, d.orgB).Scan(&rows))
	require.Equal(t, 2, rows)
}

func TestAnUnknownStatusIsHeldAndItsNeighboursGoOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	effect := d.apply(t, d.status(d.orgA, 1, "teleported", "", 1), d.status(d.orgA, 2, "sent", "", 1))
	require.Equal(t, map[events.Outcome]int{events.Dead: 1, events.Applied: 1}, effect.Outcomes)
	var state, reason string
	require.NoError(t, d.owner.QueryRow(t.Context(), "SELECT state, reason FROM held_events").Scan(&state, &reason))
	require.Equal(t, "dead unknown_status", state+" "+reason)
}

func TestAFinalOutcomeSupersedesWhatWasHeld(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	e := d.status(d.orgA, 1, "sent", "", 1)
	held := tenantmap.HeldMessage(&e, events.Parked, tenantmap.ReasonNoMapping)
	held.Receipt = events.NewReceiptID()
	router := postgres.NewRouting(d.open(t, testkit.Router))
	require.NoError(t, router.Hold(t.Context(), []tenantmap.Held{held}))
	d.apply(t, e)
	var left, dups int
	require.NoError(t, d.owner.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM held_events), (SELECT count(*) FROM event_duplicates WHERE receipt_id = $1)", held.Receipt).Scan(&left, &dups))
	require.Zero(t, left)
	require.Equal(t, 1, dups, "its receipt is accounted for")
	require.NoError(t, router.Hold(t.Context(), []tenantmap.Held{held}))
	require.NoError(t, d.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_events").Scan(&left))
	require.Zero(t, left, "what is final is not held again")
}

func TestAnEventOfAnOrganisationThatDoesNotExistIsPermanent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.messages.Apply(t.Context(), []bus.Fence{d.fence(1)}, []events.Message{d.status(events.OrgID(uuid.NewString()), 1, "sent", "", 1)})
	require.ErrorContains(t, err, "SQLSTATE 23503")
}

// Any order, any grouping into batches, any repetition of the same events ends
// in the rows that the pure rules give, and in counters equal to the recount.
func TestAnyOrderEndsInTheSameRows(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	statuses := []string{"queued", "sending", "sent", "delivered", "undelivered", "failed", "read"}
	next := 100
	rapid.Check(t, func(t *rapid.T) {
		base := next
		next += 3
		var all []events.Message
		for n := base; n < base+3; n++ {
			for _, org := range []events.OrgID{d.orgA, d.orgB} {
				if rapid.Bool().Draw(t, "recorded") {
					all = append(all, d.sent(org, n))
				}
				for i, s := range rapid.SliceOfNDistinct(rapid.SampledFrom(statuses), 0, 4, rapid.ID).Draw(t, "statuses") {
					code := ""
					if s == "failed" || s == "undelivered" {
						code = rapid.SampledFrom([]string{"", "30003", "30008"}).Draw(t, "code")
					}
					all = append(all, d.status(org, n, s, code, i))
				}
			}
		}
		want := map[events.OrgID]map[events.RowID]messaging.Message{d.orgA: {}, d.orgB: {}}
		for i := range all {
			e := &all[i]
			before, ok := want[e.Org][e.Row]
			want[e.Org][e.Row], _ = messaging.Fold(before, ok, e)
		}
		played := slices.Concat(all, rapid.Permutation(all).Draw(t, "repeats"))
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)).Shuffle(len(played), func(i, j int) { played[i], played[j] = played[j], played[i] })
		for len(played) > 0 {
			n := rapid.IntRange(1, len(played)).Draw(t, "batch")
			effect, err := d.messages.Apply(context.Background(), []bus.Fence{d.fence(n)}, played[:n])
			require.NoError(t, err)
			require.Zero(t, effect.Duplicates)
			d.at += int64(n)
			played = played[n:]
		}
		for org, rows := range want {
			for id, m := range rows {
				var status, code, origin string
				var campaign *string
				var reached int64
				require.NoError(t, d.owner.QueryRow(context.Background(),
					"SELECT status, error_code, origin, campaign_id::text, reached FROM sms_messages WHERE org_id = $1 AND id = $2", org, id).
					Scan(&status, &code, &origin, &campaign, &reached))
				require.Equal(t, []string{m.Status, m.ErrorCode}, []string{status, code})
				require.Equal(t, m.Origin, origin)
				require.EqualValues(t, m.Reached, reached)
			}
		}
	})
	for _, org := range []events.OrgID{d.orgA, d.orgB} {
		kept, recounted := d.counters(t, org)
		require.Equal(t, recounted, kept)
	}
}
