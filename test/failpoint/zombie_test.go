package failpoint_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/failpoint"
	"waybill/internal/operate"
	"waybill/internal/testkit"
)

// Three workers are halted one after the other, each while it holds the one
// partition that has something to do: two about to apply, one about to commit
// its offset. The broker gives each up for dead. When a fourth has done their
// work and more, all wake at once: none of them writes a row, says anything,
// or moves an offset, and all go on as members of the group.
func TestZombiesWriteNothing(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.start("router", "")
	s := h.sender()
	halted := map[*testkit.Process]string{} // and the counter that says that it was held off
	s.send()
	for _, z := range []struct {
		at      failpoint.Point
		counter string
	}{
		{failpoint.WorkerBeforeApply, "waybill_worker_fenced_total"},
		{failpoint.WorkerBeforeApply, "waybill_worker_fenced_total"},
		{failpoint.KafkaBeforeCommit, "waybill_kafka_commit_failures_total"},
	} {
		p := h.start("workers", stop(z.at))
		p.AwaitStopped(patience)
		halted[p] = z.counter
	}
	owner := h.start("workers", "")
	s.send()
	h.consumed()
	commits, ids := h.commits(events.GroupWorkers, events.WorkerTopics), h.column("SELECT event_id FROM event_ids ORDER BY 1")
	require.Len(t, ids, 2)

	for p := range halted {
		p.Signal(syscall.SIGCONT)
	}
	for p, counter := range halted {
		require.Eventually(t, func() bool { return figure(p, counter) > 0 }, patience, 20*time.Millisecond, "%s at %s was not held off", p.Name, p.Admin)
		require.InDelta(t, 1, figure(p, counter), 0, counter)
	}
	require.Equal(t, commits, h.commits(events.GroupWorkers, events.WorkerTopics), "an offset was moved by the dead")
	require.Equal(t, ids, h.column("SELECT event_id FROM event_ids ORDER BY 1"))
	s.send()
	h.consumed()
	h.balanced()
	h.whole()
	require.Empty(t, h.unannounced())
	_, repeats := h.announced()
	require.Equal(t, 1, repeats, "what was published and not committed, by the fourth; nothing by the dead")
	for _, p := range append(slices.Collect(maps.Keys(halted)), owner) {
		require.Zero(t, p.Stop(), "SIGTERM ends it with status 0")
	}
}

// sender records sends of one organisation, all in one lane: they come to one
// partition.
type sender struct {
	*house
	org events.OrgID
}

func (h *house) sender() *sender {
	h.t.Helper()
	s := &sender{h, events.OrgID(uuid.NewString())}
	_, err := h.sql.Exec(h.t.Context(), "INSERT INTO organizations (id, name) VALUES ($1, 'test')", s.org)
	require.NoError(h.t, err)
	return s
}

func (s *sender) send() {
	s.t.Helper()
	id := uuid.NewString()
	for events.Lane(events.RowID(id)) != 0 {
		id = uuid.NewString()
	}
	line, err := json.Marshal(events.Send{Org: s.org, Channel: events.SMS, Provider: events.Twilio, MessageID: id})
	require.NoError(s.t, err)
	sent, err := operate.RecordSends(s.t.Context(), bytes.NewReader(line), s.kafka, time.Now, func(int) {})
	require.NoError(s.t, err)
	require.Empty(s.t, sent.Rejected)
}

// consumed waits until every send is applied and every offset committed.
func (h *house) consumed() {
	h.t.Helper()
	sends := strconv.Itoa(len(h.all(events.TopicSends)))
	require.Eventually(h.t, func() bool {
		applied := h.column("SELECT count(*)::text FROM event_ids")[0] == sends
		return applied && maps.Equal(h.commits(events.GroupWorkers, events.WorkerTopics), h.ends())
	}, patience, 20*time.Millisecond, "not everything is consumed")
}

// ends returns the offsets behind the last records for the workers.
func (h *house) ends() map[events.Position]int64 {
	h.t.Helper()
	out := map[events.Position]int64{}
	for _, topic := range events.WorkerTopics {
		all, err := h.kafka.Offsets(h.t.Context(), "", topic)
		require.NoError(h.t, err)
		for _, a := range all {
			out[events.Position{Topic: topic, Partition: a.Partition}] = a.End
		}
	}
	return out
}

// figure reads a counter of a process; 0 while it does not answer.
func figure(p *testkit.Process, name string) float64 {
	_, body := p.Ask("/metrics")
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}
