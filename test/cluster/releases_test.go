package cluster_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/testkit"
)

// releases are what became of the callbacks that came before their send record.
// Each wait begins when the send record stood on its topic, which is when its
// sender heard that it was taken.
type releases struct {
	early     int    // status callbacks whose record on the raw topic is older than their send record
	published delays // until the callback stood on the domain topic
	applied   delays // until the transaction began that put it into the timeline
	told      delays // until its status event stood on the topic, if it made one
}

// arrival is one callback: when it came, and when it went on.
type arrival struct {
	message       string
	first, passed time.Time
}

// transition is a status event's row and version.
type transition struct {
	row     string
	version int64
}

// releases reads from the topics and from the timelines what was received since
// a time. All times are those of the one machine that everything runs on.
func (c *cluster) releases(since time.Time) *releases {
	c.t.Helper()
	recorded := map[string]time.Time{} // by the message's id at the provider
	c.eachRecord(events.TopicSends, since, func(r *events.Record) {
		var s events.Send
		require.NoError(c.t, json.Unmarshal(r.Value, &s))
		if at, ok := recorded[s.ProviderID]; !ok || r.Time.Before(at) {
			recorded[s.ProviderID] = r.Time
		}
	})
	arrivals := map[string]*arrival{} // by receipt
	c.eachRecord(events.TopicRawTwilio, since, func(r *events.Record) {
		receipt := string(events.ReceiptOf(r))
		if arrivals[receipt] == nil {
			arrivals[receipt] = &arrival{message: string(r.Key), first: r.Time}
		}
	})
	c.eachRecord(events.TopicMessages, since, func(r *events.Record) {
		m, err := events.DecodeMessage(r)
		require.NoError(c.t, err)
		if a := arrivals[string(m.Receipt)]; a != nil && a.passed.IsZero() {
			a.passed = r.Time
		}
	})
	told := map[transition]time.Time{}
	c.eachRecord(events.TopicStatusMessages, since, func(r *events.Record) {
		var s events.Status
		require.NoError(c.t, json.Unmarshal(r.Value, &s))
		if at := (transition{string(s.ID), s.Version}); told[at].IsZero() {
			told[at] = r.Time
		}
	})

	out := &releases{}
	for _, a := range arrivals {
		if at, ok := recorded[a.message]; ok && a.first.Before(at) {
			out.early++
			out.published = append(out.published, a.passed.Sub(at))
		}
	}
	c.eachApplied(since, func(receipt string, at transition, applied time.Time) {
		a := arrivals[receipt]
		if a == nil {
			return
		}
		sent, ok := recorded[a.message]
		if !ok || !a.first.Before(sent) {
			return
		}
		out.applied = append(out.applied, applied.Sub(sent))
		if t, ok := told[at]; ok {
			out.told = append(out.told, t.Sub(sent))
		}
	})
	return out
}

// eachRecord calls fn with every record of a topic that was written since a time.
func (c *cluster) eachRecord(topic string, since time.Time, fn func(*events.Record)) {
	c.t.Helper()
	cfg := kafkabus.Config{Brokers: strings.Split(c.broker.addresses(), ","), Topics: []string{topic}}
	client, err := kafkabus.New(cfg, slog.New(slog.DiscardHandler), nil)
	require.NoError(c.t, err)
	defer func() { require.NoError(c.t, client.Close(context.Background())) }()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	require.NoError(c.t, client.Scan(ctx, topic, func(records []events.Record) error {
		for i := range records {
			if !records[i].Time.Before(since) {
				fn(&records[i])
			}
		}
		return nil
	}))
}

// eachApplied calls fn with every callback that was applied since a time, and
// the transition that it made, of version 0 if none.
func (c *cluster) eachApplied(since time.Time, fn func(receipt string, at transition, applied time.Time)) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.database(testkit.Operator))
	require.NoError(c.t, err)
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `SELECT receipt_id::text, row_id::text, coalesce(version, 0), applied_at FROM events
		WHERE kind = 'message.status' AND applied_at >= $1`, since)
	require.NoError(c.t, err)
	var receipt string
	var at transition
	var applied time.Time
	_, err = pgx.ForEachRow(rows, []any{&receipt, &at.row, &at.version, &applied}, func() error {
		fn(receipt, at, applied)
		return nil
	})
	require.NoError(c.t, err)
}
