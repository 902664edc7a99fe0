package worker_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// Three workers believe that they own one partition, at the same position and
// at the same time: one applies, the others are fenced, and stay so whatever
// they try.
func TestTwoZombiesAtOnceAreBothFenced(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	owners := []bus.Partition{s.open(-1), s.open(-1), s.open(-1)}
	batch := s.batch(0, s.org, "SM1", "queued", "sent")
	type ended struct {
		p   bus.Partition
		err error
	}
	all := make(chan ended)
	for _, p := range owners {
		go func() { all <- ended{p, p.Handle(t.Context(), batch)} }()
	}
	var owner bus.Partition
	var zombies []bus.Partition
	for range owners {
		e := <-all
		if errors.Is(e.err, bus.ErrFenced) {
			zombies = append(zombies, e.p)
			continue
		}
		require.NoError(t, e.err)
		owner = e.p
	}
	require.Len(t, zombies, 2)
	require.Equal(t, []string{"SM1 v1 queued", "SM1 v2 sent"}, s.said())

	before := s.everything()
	unreadable := events.Record{Topic: events.TopicMessages, Key: []byte("k"), Value: []byte("{"), Offset: 2}
	for _, z := range zombies {
		for _, news := range [][]events.Record{batch, s.batch(2, s.org, "SM1", "failed"), s.batch(2, s.org, "SM2", "sent"), {unreadable}} {
			require.ErrorIs(t, z.Handle(t.Context(), news), bus.ErrFenced)
		}
	}
	require.Equal(t, before, s.everything(), "a zombie has written")
	require.Len(t, s.said(), 2, "a zombie has published")
	require.NoError(t, owner.Handle(t.Context(), s.batch(2, s.org, "SM1", "delivered")))
	require.Equal(t, "SM1 v3 delivered", s.said()[2])
}

// everything is what a worker can change.
func (s *shop) everything() (out string) {
	s.t.Helper()
	require.NoError(s.t, s.owner.QueryRow(s.t.Context(), `
		SELECT concat_ws(E'\n',
			(SELECT string_agg(o::text, ',' ORDER BY o::text) FROM applied_offsets o), (SELECT string_agg(e::text, ',' ORDER BY e::text) FROM event_ids e),
			(SELECT string_agg(m::text, ',' ORDER BY m::text) FROM sms_messages m), (SELECT string_agg(e::text, ',' ORDER BY e::text) FROM events e),
			(SELECT string_agg(h::text, ',' ORDER BY h::text) FROM held_events h), (SELECT string_agg(c::text, ',' ORDER BY c::text) FROM campaign_counters c))`).Scan(&out))
	return out
}
