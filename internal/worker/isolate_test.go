package worker_test

import (
	"context"
	"fmt"
	"math/bits"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/worker"
)

// witness is the real store; it keeps how often it was called, and which
// events it took, in their order.
type witness struct {
	worker.Messages
	calls int
	taken []events.EventID
}

func (w *witness) Apply(ctx context.Context, fences []bus.Fence, batch []events.Message) (events.Effect, error) {
	w.calls++
	effect, err := w.Messages.Apply(ctx, fences, batch)
	if err == nil {
		for i := range batch {
			w.taken = append(w.taken, batch[i].EventID)
		}
	}
	return effect, err
}

// A batch of five hundred with a record that no database takes costs about as
// many transactions as the bits of its length, twice, for each such record.
func TestABadRecordIsFoundByHalving(t *testing.T) {
	t.Parallel()
	const total = 500
	statuses := []string{"accepted", "queued", "sending", "sent", "delivered"}
	for _, bad := range [][]int64{{0}, {total - 1}, {total/2 - 1}, {137}, {200, 201}, {3, 496}} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			seen := &witness{Messages: s.messages.Messages}
			s.messages.Messages = seen
			nobody := events.OrgID(uuid.NewString())
			batch := make([]events.Record, total)
			var good, dead []events.EventID
			var say []string
			versions := map[string]int{}
			for i := range batch {
				sid, org, status := fmt.Sprintf("SM%d", i%100), s.org, statuses[i/100]
				for _, b := range bad {
					if int64(i) == b {
						org = nobody
					}
				}
				batch[i] = s.record(int64(i), org, sid, status)
				m, err := events.DecodeMessage(&batch[i])
				require.NoError(t, err)
				if org == nobody {
					dead = append(dead, m.EventID)
					continue
				}
				versions[sid]++
				good, say = append(good, m.EventID), append(say, fmt.Sprintf("%s v%d %s", sid, versions[sid], status))
			}
			p := s.open(-1)
			require.NoError(t, p.Handle(t.Context(), batch))
			require.Equal(t, good, seen.taken, "the neighbours, all of them, in their order")
			require.Equal(t, say, s.said())
			require.ElementsMatch(t, dead, s.heldEvents())
			// The whole batch; two halves for each further bit; the one that
			// stands alone is tried twice. It is then held in one more.
			require.LessOrEqual(t, seen.calls, len(bad)*(2*bits.Len(total)+2))
			t.Logf("%d bad of %d: %d transactions, and one to hold each", len(bad), total, seen.calls)

			// The same again, as after a crash: nothing is applied or held twice.
			require.NoError(t, s.open(-1).Handle(t.Context(), batch))
			require.Equal(t, byMessage(say), byMessage(s.said()[len(say):]))
			require.ElementsMatch(t, dead, s.heldEvents())
			require.NoError(t, p.Handle(t.Context(), s.batch(total, s.org, "SM7", "read")), "the partition goes on")
		})
	}
}

// byMessage is what was said of each message, in order: between two messages
// no order is promised.
func byMessage(said []string) map[string][]string {
	out := map[string][]string{}
	for _, line := range said {
		sid, rest, _ := strings.Cut(line, " ")
		out[sid] = append(out[sid], rest)
	}
	return out
}

func (s *shop) heldEvents() (out []events.EventID) {
	s.t.Helper()
	rows, err := s.owner.Query(s.t.Context(), "SELECT event_id FROM held_events WHERE state = 'dead' AND reason = 'data_rejected'")
	require.NoError(s.t, err)
	for rows.Next() {
		var id events.EventID
		require.NoError(s.t, rows.Scan(&id))
		out = append(out, id)
	}
	require.NoError(s.t, rows.Err())
	return out
}
