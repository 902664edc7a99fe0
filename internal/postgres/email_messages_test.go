package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/bus"
	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/postgres"
)

// mail is a callback about e-mail n of an organisation.
func (d *desk) mail(org events.OrgID, n int, status string, second int, recipients ...string) events.Message {
	id := fmt.Sprintf("0100-%d", n)
	e := events.Message{
		EventID: events.EventID(fmt.Sprintf("ses/%s/email.event/%s:%s:%d", org, id, status, second)), Receipt: events.NewReceiptID(),
		Kind: events.KindEmail, Provider: events.SES, Org: org, Row: events.DeriveRowID(org, events.SES, id), ResolvedBy: "resource",
		ProviderID: id, Channel: events.Email, Direction: events.Outbound, Status: status,
		ReceivedAt: noon.Add(time.Duration(second) * time.Second), Raw: events.Position{Topic: events.TopicRawSES}, Packed: []byte{1},
	}
	for _, address := range recipients {
		e.Recipients = append(e.Recipients, events.Recipient{Address: address})
	}
	return e
}

func (d *desk) mailed(org events.OrgID, n int, to string) events.Message {
	e := d.mail(org, n, "sent", 0)
	e.Kind, e.To, e.CampaignID, e.SentAt = events.KindSend, to, testCampaign, &noon
	e.EventID = "sender/" + e.EventID
	return e
}

// An e-mail is one message with a truth for each recipient, and an SMS campaign
// of the same id is counted beside it.
func TestAnEmailIsMergedPerRecipientAndCounted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const a, b = "a@example.com", "b@example.com"
	bounced := d.mail(d.orgA, 1, "bounced_permanent", 2, b)
	bounced.Recipients[0].ErrorCode = "5.1.1"
	opened := d.mail(d.orgA, 1, "", 3)
	opened.Facts = []facts.Fact{{Name: facts.Opens, At: &noon}}
	effect := d.apply(t, d.mailed(d.orgA, 1, a), d.mail(d.orgA, 1, "delivered", 1, a, b), bounced, opened, d.sent(d.orgA, 1))
	require.Equal(t, map[events.Outcome]int{events.Applied: 5}, effect.Outcomes)
	require.Len(t, effect.Status, 4)
	last := effect.Status[2]
	require.Equal(t, []any{events.Email, "bounced_permanent", "5.1.1", int64(3)}, []any{last.Channel, last.Status, last.ErrorCode, last.Version})
	stands := map[string]int{}
	for _, r := range last.Recipients {
		require.NotContains(t, r.ID, "@")
		stands[r.Status]++
	}
	require.Equal(t, map[string]int{"delivered": 1, "bounced_permanent": 1}, stands)

	var media []string
	require.NoError(t, d.owner.QueryRow(t.Context(),
		"SELECT array_agg(medium || ' ' || status || ' ' || messages ORDER BY medium) FROM campaign_counters WHERE org_id = $1 AND messages > 0", d.orgA).Scan(&media))
	require.Equal(t, []string{"email bounced_permanent 1", "sms accepted 1"}, media)
	var opens int
	require.NoError(t, d.owner.QueryRow(t.Context(), "SELECT (facts->'opens'->>'count')::int FROM email_messages WHERE org_id = $1", d.orgA).Scan(&opens))
	require.Equal(t, 1, opens)
}

// The recipients of a status event are those of its moment, also when it comes
// back from the timeline after more has happened.
func TestReplayBringsTheStatusEventsOfEmailsBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const a, b = "a@example.com", "b@example.com"
	batch := []events.Message{d.mail(d.orgA, 1, "sent", 1, a, b), d.mail(d.orgA, 1, "delivered", 2, a)}
	first := d.apply(t, batch...)
	d.apply(t, d.mail(d.orgA, 1, "bounced_permanent", 3, a, b))
	for i := range batch {
		batch[i].Replay = true
	}
	again, err := d.messages.Apply(t.Context(), []bus.Fence{d.fence(0)}, batch)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(records(t, first.Status), records(t, again.Status)))
}

// A recipient who was erased is still the same one to an event that comes late,
// and neither its address nor that of anybody else is confused.
func TestALateEventMeetsARecipientWhoWasErased(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const gone, stays = "gone@example.com", "stays@example.com"
	d.apply(t, d.mail(d.orgA, 1, "delivered", 1, gone, stays))
	_, err := d.owner.Exec(t.Context(), "INSERT INTO erasure_keys VALUES ($1, sha256('key'))", d.orgA)
	require.NoError(t, err)
	_, err = d.owner.Exec(t.Context(), "UPDATE email_recipients SET address = erased_address(org_id, address) WHERE address = $1", gone)
	require.NoError(t, err)
	_, err = d.owner.Exec(t.Context(), "UPDATE email_messages SET erased_at = now()")
	require.NoError(t, err)
	effect := d.apply(t, d.mail(d.orgA, 1, "delayed", 2, gone, stays), d.mail(d.orgA, 1, "bounced_permanent", 3, "GONE@example.com"))
	require.Equal(t, map[events.Outcome]int{events.Stale: 1, events.Applied: 1}, effect.Outcomes)
	rows, err := d.owner.Query(t.Context(), "SELECT address, status FROM email_recipients ORDER BY status")
	require.NoError(t, err)
	stands, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Address, Status string }])
	require.NoError(t, err)
	require.Len(t, stands, 2)
	require.Regexp(t, "^erased:[0-9a-f]{64}$", stands[0].Address)
	require.Equal(t, "bounced_permanent", stands[0].Status)
	require.Equal(t, struct{ Address, Status string }{stays, "delivered"}, stands[1])
}

// Any order, any grouping into batches, any repetition of the same events ends
// in the row that the pure rules give, as it is read back.
func TestAnyOrderEndsInTheSameEmails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	next := 0
	statuses := []string{"", "intended", "sent", "delayed", "bounced_transient", "delivered", "bounced_permanent", "rejected"}
	rapid.Check(t, func(rt *rapid.T) {
		next++
		var all []events.Message
		for i := range rapid.IntRange(1, 6).Draw(rt, "events") {
			to := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a@x.test", "B@x.test", "c@x.test"}), 0, 3, rapid.ID).Draw(rt, "recipients")
			e := d.mail(d.orgA, next, rapid.SampledFrom(statuses).Draw(rt, "status"), i, to...)
			for j := range e.Recipients {
				e.Recipients[j].ErrorCode = rapid.SampledFrom([]string{"", "5.1.1", "4.2.2"}).Draw(rt, "code")
			}
			if e.Status == "" || rapid.Bool().Draw(rt, "facts") {
				e.Facts = []facts.Fact{{Name: facts.Clicks, At: rapid.Ptr(rapid.Just(noon), true).Draw(rt, "at")}}
			}
			all = append(all, e)
		}
		var want email.Message
		for i := range all {
			want, _ = email.Fold(want, i > 0, &all[i])
		}
		played := rapid.Permutation(slices.Concat(all, all)).Draw(rt, "order")
		for len(played) > 0 {
			n := rapid.IntRange(1, len(played)).Draw(rt, "batch")
			effect, err := d.messages.Apply(context.Background(), []bus.Fence{d.fence(n)}, played[:n])
			require.NoError(rt, err)
			require.Zero(rt, effect.Outcomes[events.Dead])
			d.at += int64(n)
			played = played[n:]
		}
		var got email.Message
		require.NoError(rt, pgx.BeginFunc(context.Background(), d.owner, func(tx pgx.Tx) (err error) {
			got, err = postgres.ReadEmail(context.Background(), tx, d.orgA, want.ID)
			return err
		}))
		got.Version = want.Version
		for address, r := range got.Recipients {
			require.NotEmpty(rt, r.ID)
			r.ID = ""
			got.Recipients[address] = r
		}
		require.Empty(rt, cmp.Diff(want, got))
	})
}
