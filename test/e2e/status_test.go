package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/testkit"
	"waybill/status"
	"waybill/status/kafka"
)

// follower reads the status topics from their beginning, as a campaign sender does.
func (h *house) follower(opts status.Options) *status.Subscriber {
	h.t.Helper()
	sub, err := kafka.NewSubscriber(kafka.Config{Brokers: []string{h.ready.KafkaBrokers}, Group: uuid.NewString()})
	require.NoError(h.t, err)
	h.t.Cleanup(func() { require.NoError(h.t, sub.Close()) })
	return status.New(sub, opts)
}

// A status event is made by an accepted transition and by nothing else: not by a
// repeat, nor by what came too late, nor by what only adds a fact. Those of a
// message come in the order of their versions, and say where its row went.
func TestStatusEventsAreTheAcceptedTransitionsInOrder(t *testing.T) {
	h := open(t)
	campaign := uuid.NewString()
	type step struct{ status, code string }
	stories := []struct{ calls, want []step }{
		{
			[]step{{"queued", ""}, {"sent", ""}, {"sent", ""}, {"delivered", ""}, {"delivered", ""}},
			[]step{{"accepted", ""}, {"queued", ""}, {"sent", ""}, {"delivered", ""}},
		},
		{ // "sent" comes late, and is only remembered as reached
			[]step{{"delivered", ""}, {"sent", ""}, {"queued", ""}, {"read", ""}},
			[]step{{"accepted", ""}, {"delivered", ""}, {"read", ""}},
		},
		{ // another code of the same status is a transition, if it says more
			[]step{{"undelivered", "30008"}, {"undelivered", "30003"}, {"undelivered", "30008"}},
			[]step{{"accepted", ""}, {"undelivered", "30008"}, {"undelivered", "30003"}},
		},
	}
	want := map[string][]step{}
	sids := make([]string, len(stories))
	for i, s := range stories {
		sids[i] = h.id("SM")
		want[sids[i]] = s.want
		h.send(events.Send{
			Org: events.OrgID(h.a.org), Account: h.a.Account, ProviderID: sids[i], From: h.a.number, To: person, CampaignID: campaign,
		})
		h.row(sids[i], "accepted")
		distinct := map[step]bool{}
		for _, c := range s.calls {
			h.call(h.a.Status(sids[i], h.a.number, person, c.status, c.code), http.StatusNoContent)
			distinct[c] = true
			h.settled(sids[i], 1+len(distinct)) // one after the other, so that what is late is late
		}
	}

	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	got, remaining := map[string][]step{}, len(stories)
	opts := status.Options{Org: h.a.org, Campaign: campaign}
	err := h.follower(opts).Messages(ctx, func(_ context.Context, m status.Message) error {
		sid := m.ProviderID
		got[sid] = append(got[sid], step{m.Status, m.ErrorCode})
		require.EqualValues(t, len(got[sid]), m.Version)
		require.Equal(t, string(events.DeriveRowID(events.OrgID(h.a.org), events.Twilio, sid)), m.ID)
		require.Equal(t, events.DeriveID("status", h.a.org, m.ID, fmt.Sprint(m.Version)), m.EventID)
		if len(got[sid]) == len(want[sid]) {
			if remaining--; remaining == 0 {
				stop()
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, want, got)

	ctx, stop = context.WithTimeout(t.Context(), patience)
	defer stop()
	err = h.follower(opts).Campaigns(ctx, func(_ context.Context, c status.Campaign) error {
		if c.Messages == 3 && c.Open() == 0 && c.Reached["queued"] == 2 {
			require.Equal(t, map[string]int64{"delivered": 1, "read": 1, "undelivered": 1}, c.Counters)
			stop()
		}
		return nil
	})
	require.NoError(t, err)
	require.ErrorIs(t, ctx.Err(), context.Canceled, "no snapshot has the campaign's numbers")
}

// Everything that the tests before this one made Waybill write to the topics of
// the contract is as docs/asyncapi.yaml says, and each key of a status topic has
// its versions in order.
func TestTheLogIsAsTheContractSays(t *testing.T) {
	h := open(t)
	h.good()
	told := h.keepsTheContract()
	for topic, n := range told {
		if topic != events.TopicStatusCalls {
			require.Positive(t, n, topic)
		}
	}
}

// keepsTheContract reads the topics of the contract, and returns how many records
// each holds.
func (h *house) keepsTheContract() map[string]int {
	t := h.t
	t.Helper()
	contract, told := testkit.AsyncAPI(t), map[string]int{}
	for _, topic := range contract.Topics() {
		told[topic] = 0
		tales := map[string]*tale{}
		require.NoError(t, h.kafka.Scan(t.Context(), topic, func(records []events.Record) error {
			for i := range records {
				rec := &records[i]
				if _, err := events.DecodeSend(rec); topic == events.TopicSends && err != nil {
					continue // a test of bad input wrote it
				}
				if err := contract.Exact(rec); err != nil {
					return fmt.Errorf("%s/%d/%d: %w", topic, rec.Partition, rec.Offset, err)
				}
				told[topic]++
				if topic != events.TopicStatusMessages && topic != events.TopicStatusCalls {
					continue
				}
				if tales[string(rec.Key)] == nil {
					tales[string(rec.Key)] = &tale{}
				}
				tales[string(rec.Key)].hear(t, rec)
			}
			return nil
		}))
	}
	return told
}

// tale is what a status topic says of one message or call, by version from 1.
type tale struct{ told []events.Status }

func (a *tale) hear(t *testing.T, rec *events.Record) {
	t.Helper()
	s, err := events.DecodeStatus(rec)
	require.NoError(t, err)
	require.Equal(t, string(events.StatusKey(s.Org, string(s.ID))), string(rec.Key))
	require.Equal(t, s.EventID(), rec.Header("ce_id"))
	known := int64(len(a.told))
	if s.Version <= known {
		require.Equal(t, a.told[s.Version-1], s, "a repeat says what was said")
		return
	}
	require.Equal(t, known+1, s.Version, "%s: a version before its time", rec.Key)
	if known > 0 {
		last := a.told[known-1]
		require.NotEqual(t, []any{last.Status, last.ErrorCode, last.Recipients}, []any{s.Status, s.ErrorCode, s.Recipients}, "%s: no transition", rec.Key)
	}
	a.told = append(a.told, s)
}
