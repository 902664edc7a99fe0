package status_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/events"
	"waybill/status"
)

var errBusy = errors.New("busy")

// history draws the topic of some rows: every version of each, in order, with
// what comes again: all since some point, as after a crash, or one old event, by
// a worker that was cut off.
func history(t *rapid.T, rows int) (topic []events.Status, newest map[string]int64) {
	newest = map[string]int64{}
	for range rapid.IntRange(1, 30).Draw(t, "steps") {
		if len(topic) > 0 && len(topic) < 200 {
			from := rapid.IntRange(0, len(topic)-1).Draw(t, "from")
			switch rapid.IntRange(0, 5).Draw(t, "again") {
			case 0:
				topic = append(topic, topic[from:]...)
				continue
			case 1:
				topic = append(topic, topic[from])
				continue
			}
		}
		id := fmt.Sprint("row", rapid.IntRange(1, rows).Draw(t, "row"))
		newest[id]++
		topic = append(topic, transition(org, id, newest[id], "sent"))
	}
	return topic, newest
}

// Whatever comes again, whatever a handler refuses and however little is
// remembered: every version is handled, each first in its order. With room for
// all rows nothing is handled twice, and the last is the newest.
func TestPropertyRepeatsAreDroppedAndNothingIsLost(t *testing.T) {
	t.Parallel()
	const rows = 4
	rapid.Check(t, func(t *rapid.T) {
		topic, newest := history(t, rows)
		l := &tape{}
		for i := range topic {
			rec, err := topic[i].Record()
			require.NoError(t, err)
			l.records = append(l.records, rec)
		}
		remember := rapid.IntRange(1, rows).Draw(t, "remember")
		highest, last := map[string]int64{}, map[string]int64{}
		err := status.New(l, status.Options{Remember: remember}).Messages(context.Background(), func(_ context.Context, m status.Message) error {
			if rapid.IntRange(0, 4).Draw(t, "refuse") == 0 {
				return errBusy
			}
			require.LessOrEqual(t, m.Version, highest[m.ID]+1, "a version was left out")
			if m.Version <= highest[m.ID] {
				require.Less(t, remember, rows, "a repeat of a row that was remembered")
			}
			last[m.ID], highest[m.ID] = m.Version, max(highest[m.ID], m.Version)
			return nil
		})
		require.ErrorIs(t, err, status.ErrEnded)
		require.Equal(t, newest, highest)
		if remember == rows {
			require.Equal(t, newest, last)
		}
		require.Len(t, l.acked, len(topic), "repeats are acknowledged too")
	})
}

func TestOneOrganisationAndOneCampaign(t *testing.T) {
	t.Parallel()
	of := func(org, id, campaign string) events.Record {
		m := transition(org, id, 1, "sent")
		m.CampaignID = campaign
		return record(t, &m)
	}
	l := &tape{records: []events.Record{of(org, "a", campaign), of(otherOrg, "b", campaign), of(org, "c", ""), of(org, "d", customer)}}
	for _, c := range []struct {
		opts status.Options
		want []string
	}{
		{status.Options{}, []string{"a", "b", "c", "d"}},
		{status.Options{Org: org}, []string{"a", "c", "d"}},
		{status.Options{Campaign: campaign}, []string{"a", "b"}},
		{status.Options{Org: org, Campaign: campaign}, []string{"a"}},
		{status.Options{Org: customer}, nil},
	} {
		var got []string
		l.acked = nil
		err := status.New(l, c.opts).Messages(t.Context(), func(_ context.Context, m status.Message) error {
			got = append(got, m.ID)
			return nil
		})
		require.ErrorIs(t, err, status.ErrEnded)
		require.Equal(t, c.want, got)
		require.Len(t, l.acked, 4)
	}
}

// Two organisations' rows of one id are two rows.
func TestRowsOfTwoOrganisationsAreTwo(t *testing.T) {
	t.Parallel()
	a, b := transition(org, rowID, 2, "sent"), transition(otherOrg, rowID, 1, "sent")
	l := &tape{records: []events.Record{record(t, &a), record(t, &b)}}
	n := 0
	_ = status.New(l, status.Options{}).Messages(t.Context(), func(context.Context, status.Message) error { n++; return nil })
	require.Equal(t, 2, n)
}

func TestAForeignRecordEndsTheCallUnlessSomebodyListens(t *testing.T) {
	t.Parallel()
	first, second := transition(org, rowID, 1, "sent"), transition(org, rowID, 2, "delivered")
	foreign := events.Record{Topic: status.TopicMessages, Value: []byte("{}")}
	l := &tape{records: []events.Record{record(t, &first), foreign, record(t, &second)}, endless: true}
	var seen []int64
	err := status.New(l, status.Options{}).Messages(t.Context(), func(_ context.Context, m status.Message) error {
		seen = append(seen, m.Version)
		return nil
	})
	require.ErrorIs(t, err, status.ErrForeign)
	require.Equal(t, []int64{1}, seen)
	require.Equal(t, []int{0}, l.acked, "it is still there for who reads it next")

	l.endless, l.acked, seen = false, nil, nil
	var told []string
	opts := status.Options{Foreign: func(msg *message.Message, err error) {
		require.ErrorIs(t, err, status.ErrForeign)
		told = append(told, string(msg.Payload))
	}}
	err = status.New(l, opts).Messages(t.Context(), func(_ context.Context, m status.Message) error {
		seen = append(seen, m.Version)
		return nil
	})
	require.ErrorIs(t, err, status.ErrEnded)
	require.Equal(t, []int64{1, 2}, seen)
	require.Equal(t, []string{"{}"}, told)
	require.Equal(t, []int{0, 1, 2}, l.acked)
}

// The event in hand when the call ends is finished and acknowledged; no other begins.
func TestTheEndLetsTheEventInHandFinish(t *testing.T) {
	t.Parallel()
	first, second := transition(org, rowID, 1, "sent"), transition(org, rowID, 2, "delivered")
	l := &tape{records: []events.Record{record(t, &first), record(t, &second)}, endless: true}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var seen []int64
	err := status.New(l, status.Options{}).Messages(ctx, func(own context.Context, m status.Message) error {
		require.NoError(t, own.Err())
		stop()
		<-own.Done() // it is told
		seen = append(seen, m.Version)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []int64{1}, seen)
	require.Equal(t, []int{0}, l.acked)
}

type refusing struct{ message.Subscriber }

func (refusing) Subscribe(context.Context, string) (<-chan *message.Message, error) {
	return nil, errBusy
}

func TestASubscriptionThatCannotBegin(t *testing.T) {
	t.Parallel()
	err := status.New(refusing{}, status.Options{}).Calls(t.Context(), nil)
	require.ErrorIs(t, err, errBusy)
	require.ErrorContains(t, err, status.TopicCalls)
}
