package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
	"waybill/internal/voice"
)

// callDesk is a desk whose partition is one of the calls topic.
type callDesk struct {
	*desk
	calls *postgres.Calls
}

func newCallDesk(t testing.TB) *callDesk {
	t.Helper()
	d := newDesk(t)
	require.NoError(t, d.ledger.Plant(t.Context(), events.TopicCalls, 0, 0))
	return &callDesk{d, postgres.NewCalls(d.open(t, testkit.Worker), events.GroupWorkers)}
}

func (d *callDesk) apply(t require.TestingT, batch ...events.Call) events.Effect {
	effect, err := d.calls.Apply(context.Background(), []bus.Fence{{Topic: events.TopicCalls, At: d.at, Next: d.at + int64(len(batch))}}, batch)
	require.NoError(t, err)
	d.at += int64(len(batch))
	return effect
}

// call is a callback about call n of an organisation.
func (d *callDesk) call(org events.OrgID, n int, status string, second int) events.Call {
	id := fmt.Sprintf("CA%032d", n)
	return events.Call{
		EventID: events.EventID(fmt.Sprintf("twilio/%s/call.status/%s:%s:%d", org, id, status, second)), Receipt: events.NewReceiptID(),
		Kind: events.KindCall, Provider: events.Twilio, Org: org, Row: events.DeriveRowID(org, events.Twilio, id), ResolvedBy: "resource",
		ProviderID: id, Direction: events.Outbound, Status: status, Sequence: &second,
		ReceivedAt: noon.Add(time.Duration(second) * time.Second), Raw: events.Position{Topic: events.TopicRawTwilio}, Packed: []byte{1},
	}
}

func (d *callDesk) placed(org events.OrgID, n int) events.Call {
	c := d.call(org, n, "queued", 0)
	c.Kind, c.CampaignID, c.SentAt, c.Sequence = events.KindSend, testCampaign, &noon, nil
	c.EventID = "sender/" + c.EventID
	return c
}

func TestACallIsMergedCountedAndAnnounced(t *testing.T) {
	t.Parallel()
	d := newCallDesk(t)
	completed := d.call(d.orgA, 1, "completed", 3)
	completed.Facts = []facts.Fact{{Name: facts.Duration, Value: "42", At: &noon}}
	recorded := d.call(d.orgA, 1, "", 4)
	recorded.Kind, recorded.Recording = events.KindRecording, &events.Recording{ProviderID: "RE1", Status: "completed", Duration: 40, StartedAt: &noon}
	effect := d.apply(t, completed, d.placed(d.orgA, 1), recorded, d.call(d.orgA, 1, "ringing", 2))
	require.Equal(t, map[events.Outcome]int{events.Applied: 3, events.Stale: 1}, effect.Outcomes)
	require.Len(t, effect.Status, 1)
	said := effect.Status[0]
	require.Equal(t, []any{events.Voice, "completed", testCampaign, int64(1)}, []any{said.Channel, said.Status, said.CampaignID, said.Version})

	var status, recording string
	var duration, seconds int64
	var sequences []int
	require.NoError(t, d.owner.QueryRow(t.Context(), `SELECT status, (facts->'duration'->>'value')::bigint FROM calls WHERE org_id = $1`, d.orgA).Scan(&status, &duration))
	require.NoError(t, d.owner.QueryRow(t.Context(), `SELECT status, duration_seconds FROM call_recordings WHERE org_id = $1 AND call_id = $2`, d.orgA, completed.Row).Scan(&recording, &seconds))
	require.NoError(t, d.owner.QueryRow(t.Context(), `SELECT array_agg(sequence ORDER BY sequence) FROM events WHERE org_id = $1 AND sequence IS NOT NULL`, d.orgA).Scan(&sequences))
	require.Equal(t, []any{"completed", int64(42), "completed", int64(40)}, []any{status, duration, recording, seconds})
	require.Equal(t, []int{2, 3, 4}, sequences)

	var medium string
	var messages, reached int64
	require.NoError(t, d.owner.QueryRow(t.Context(), `SELECT medium, messages, reached FROM campaign_counters WHERE org_id = $1 AND status = 'completed'`, d.orgA).
		Scan(&medium, &messages, &reached))
	require.Equal(t, []any{"voice", int64(1), int64(1)}, []any{medium, messages, reached})
	require.NotNil(t, publish(t, postgres.NewCampaigns(d.open(t, testkit.Worker)), 10, noon)[0].CompletedAt)
}

// The status events of a call come back from the timeline as they were.
func TestReplayBringsTheStatusEventsOfCallsBack(t *testing.T) {
	t.Parallel()
	d := newCallDesk(t)
	batch := []events.Call{d.placed(d.orgA, 1), d.call(d.orgA, 1, "busy", 2)}
	first := d.apply(t, batch...)
	for i := range batch {
		batch[i].Replay = true
	}
	again, err := d.calls.Apply(t.Context(), []bus.Fence{{Topic: events.TopicCalls, At: d.at, Next: d.at}}, batch)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(records(t, first.Status), records(t, again.Status)))
}

// records returns status events as they are published.
func records(t *testing.T, all []events.Status) (out []events.Record) {
	t.Helper()
	for i := range all {
		r, err := all[i].Record()
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

// Any order, any grouping into batches, any repetition of the same events ends
// in the row that the pure rules give, as it is read back.
func TestAnyOrderEndsInTheSameCalls(t *testing.T) {
	t.Parallel()
	d := newCallDesk(t)
	next := 0
	rapid.Check(t, func(rt *rapid.T) {
		next++
		var all []events.Call
		for i := range rapid.IntRange(1, 6).Draw(rt, "events") {
			e := d.call(d.orgA, next, rapid.SampledFrom([]string{"", "queued", "ringing", "in_progress", "busy", "no_answer", "completed"}).Draw(rt, "status"), i)
			e.Provider = rapid.SampledFrom([]events.Provider{events.Twilio, events.Connect}).Draw(rt, "provider")
			e.ErrorCode = rapid.SampledFrom([]string{"", "486", "480"}).Draw(rt, "code")
			if e.Status == "" || rapid.Bool().Draw(rt, "facts") {
				e.Facts = []facts.Fact{{Name: facts.Duration, Value: strconv.Itoa(i % 3), At: rapid.Ptr(rapid.Just(noon), true).Draw(rt, "at")}}
			}
			if rapid.Bool().Draw(rt, "recording") {
				e.Recording = &events.Recording{
					ProviderID: rapid.SampledFrom([]string{"RE1", "RE2"}).Draw(rt, "id") + strconv.Itoa(next),
					Status:     rapid.SampledFrom([]string{"in_progress", "completed", "absent"}).Draw(rt, "recorded"), Duration: int64(i),
				}
			}
			all = append(all, e)
		}
		var want voice.Call
		for i := range all {
			want, _ = voice.Fold(want, i > 0, &all[i])
		}
		played := rapid.Permutation(slices.Concat(all, all)).Draw(rt, "order")
		for len(played) > 0 {
			n := rapid.IntRange(1, len(played)).Draw(rt, "batch")
			d.apply(rt, played[:n]...)
			played = played[n:]
		}
		var got voice.Call
		require.NoError(rt, pgx.BeginFunc(context.Background(), d.owner, func(tx pgx.Tx) (err error) {
			got, err = postgres.ReadCall(context.Background(), tx, d.orgA, want.ID)
			return err
		}))
		got.Version = want.Version
		require.Empty(rt, cmp.Diff(want, got))
	})
}
