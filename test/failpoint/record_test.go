package failpoint_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

// all returns every record of a topic, partition by partition.
func (h *house) all(topic string) (out []events.Record) {
	h.t.Helper()
	require.NoError(h.t, h.kafka.Scan(h.t.Context(), topic, func(records []events.Record) error {
		out = append(out, records...)
		return nil
	}))
	return out
}

// column runs a query of one text column.
func (h *house) column(sql string, args ...any) (out []string) {
	h.t.Helper()
	rows, err := h.sql.Query(h.t.Context(), sql, args...)
	require.NoError(h.t, err)
	for rows.Next() {
		var s string
		require.NoError(h.t, rows.Scan(&s))
		out = append(out, s)
	}
	require.NoError(h.t, rows.Err())
	return out
}

// announced reads the status topics: what they say of each version of a message
// or call, and how many records were repeats. A repeat is the same, byte for byte.
func (h *house) announced() (versions map[string]events.Status, repeats int) {
	h.t.Helper()
	versions = map[string]events.Status{}
	records := map[string]string{}
	for _, rec := range append(h.all(events.TopicStatusMessages), h.all(events.TopicStatusCalls)...) {
		s, err := events.DecodeStatus(&rec)
		require.NoError(h.t, err)
		version := fmt.Sprintf("%s/%s v%d", s.Org, s.ID, s.Version)
		record := fmt.Sprintf("%s %q %s", rec.Key, rec.Headers, rec.Value)
		if before, again := records[version]; again {
			repeats++
			require.Equal(h.t, before, record, "a repeat is the same event")
		}
		versions[version], records[version] = s, record
	}
	return versions, repeats
}

// unannounced returns the versions in the timeline that the topic misses; none
// is there that the timeline does not know.
func (h *house) unannounced() (missing []string) {
	h.t.Helper()
	versions, _ := h.announced()
	for _, v := range h.column("SELECT format('%s/%s v%s', org_id, row_id, version) FROM events WHERE version IS NOT NULL") {
		if _, ok := versions[v]; !ok {
			missing = append(missing, v)
		}
		delete(versions, v)
	}
	require.Empty(h.t, versions, "announced and not on record")
	return missing
}

// positions returns the database's positions of a group, by topic and partition.
func (h *house) positions(group string) map[events.Position]int64 {
	h.t.Helper()
	out := map[events.Position]int64{}
	rows, err := h.sql.Query(h.t.Context(), "SELECT topic, partition, next_offset FROM applied_offsets WHERE group_name = $1", group)
	require.NoError(h.t, err)
	for rows.Next() {
		var p events.Position
		var next int64
		require.NoError(h.t, rows.Scan(&p.Topic, &p.Partition, &next))
		out[p] = next
	}
	require.NoError(h.t, rows.Err())
	return out
}

// commits returns the offsets that a group has committed to Kafka.
func (h *house) commits(group string, topics []string) map[events.Position]int64 {
	h.t.Helper()
	out := map[events.Position]int64{}
	for _, topic := range topics {
		all, err := h.kafka.Offsets(h.t.Context(), group, topic)
		require.NoError(h.t, err)
		for _, a := range all {
			out[events.Position{Topic: topic, Partition: a.Partition}] = max(a.Committed, 0)
		}
	}
	return out
}

// standing returns the receipts that the router is done with: passed on, held or
// ignored.
func (h *house) standing() map[string]int {
	h.t.Helper()
	standing := h.receipts(events.TopicMessages, events.TopicCalls, events.TopicBilling)
	for _, receipt := range h.column("SELECT receipt_id::text FROM held_events UNION ALL SELECT receipt_id::text FROM event_ids") {
		standing[receipt]++
	}
	return standing
}

// partition returns the position that a record's partition is known by.
func partition(p events.Position) events.Position {
	return events.Position{Topic: p.Topic, Partition: p.Partition}
}

// routed returns the events on the domain topics: the position of each, where
// its raw record lies, and its event and receipt.
type routed struct {
	at, raw events.Position
	id      events.EventID
	receipt events.ReceiptID
}

func (h *house) routed() (out []routed) {
	h.t.Helper()
	for _, rec := range slices.Concat(h.all(events.TopicMessages), h.all(events.TopicCalls), h.all(events.TopicBilling)) {
		r := routed{at: rec.Position()}
		var err error
		switch rec.Topic {
		case events.TopicBilling:
			var b events.Billing
			b, err = events.DecodeBilling(&rec)
			r.raw, r.id, r.receipt = b.Raw, b.EventID, b.Receipt
		case events.TopicCalls:
			var c events.Call
			c, err = events.DecodeCall(&rec)
			r.raw, r.id, r.receipt = c.Raw, c.EventID, c.Receipt
		default:
			var m events.Message
			m, err = events.DecodeMessage(&rec)
			r.raw, r.id, r.receipt = m.Raw, m.EventID, m.Receipt
		}
		require.NoError(h.t, err)
		out = append(out, r)
	}
	return out
}

// whole requires that what is applied is exactly what lies below the fences:
// no batch was written in part. What the router ignores never lies there.
func (h *house) whole() {
	h.t.Helper()
	next := h.positions(events.GroupWorkers)
	want := []string{}
	for _, r := range h.routed() {
		if r.at.Offset < next[partition(r.at)] {
			want = append(want, string(r.id))
		}
	}
	slices.Sort(want)
	require.Equal(h.t, slices.Compact(want), h.column(`SELECT event_id FROM event_ids WHERE outcome <> 'ignored' ORDER BY event_id COLLATE "C"`))
	require.ElementsMatch(h.t,
		h.column("SELECT event_id FROM event_ids WHERE outcome <> 'ignored'"),
		h.column("SELECT event_id FROM events UNION ALL SELECT event_id FROM billing_events"), "the timeline has each of them once")
	require.Empty(h.t, h.column(`
		SELECT format('%s %s %s', campaign_id, status, sum(n)) FROM (
			SELECT campaign_id, status, messages AS n FROM campaign_counters
			UNION ALL SELECT campaign_id, status, -1 FROM resources WHERE campaign_id IS NOT NULL) c
		GROUP BY campaign_id, status HAVING sum(n) <> 0`), "counters differ from their rows")
}

// receipts returns how often each receipt is on the topics.
func (h *house) receipts(topics ...string) map[string]int {
	h.t.Helper()
	out := map[string]int{}
	for _, topic := range topics {
		for _, rec := range h.all(topic) {
			out[strings.ToLower(string(events.ReceiptOf(&rec)))]++
		}
	}
	return out
}
