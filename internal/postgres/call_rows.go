package postgres

import (
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/campaign"
	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/voice"
)

// calls is the table of calls, with their recordings.
var calls = &table[voice.Call, events.Call]{
	name: "call", medium: campaign.Voice,
	lock: lockCalls, fold: voice.Fold, status: callStatus, member: callMember, bitName: voice.BitName, write: writeCalls,
	replay: replayStatement("calls", "'voice'"), class: voice.ErrorClass,
}

func callStatus(_, now *voice.Call, e *events.Call, s events.Step) events.Status {
	return voice.StatusEvent(now, e, s)
}

func callMember(c *voice.Call) member {
	m := campaign.Member{Campaign: c.CampaignID, Status: c.Status, Reached: voice.Reached(c)}
	if !voice.Terminal(c.Status) {
		m.OpenSince = campaign.Since(c.ReceivedAt)
	}
	return member{m, c.CustomerID}
}

const (
	selectCalls = `
		SELECT m.* FROM unnest($2::uuid[]) AS k(row_id)
		CROSS JOIN LATERAL (
			SELECT id, coalesce(message_id::text, ''), provider, coalesce(provider_id, ''), parent_id, account, direction, origin,
				from_address, to_address, coalesce(campaign_id::text, ''), coalesce(customer_id::text, ''),
				status, error_code, version, reported, facts, sent_at, occurred_at, received_at, last_at
			FROM calls WHERE org_id = $1 AND id = k.row_id OFFSET 0 FOR UPDATE) AS m`
	selectRecordings = `
		SELECT m.* FROM unnest($2::uuid[]) AS k(row_id)
		CROSS JOIN LATERAL (
			SELECT call_id, provider_id, status, error_code, duration_seconds, channels, source, track, location,
				started_at, received_at, last_at
			FROM call_recordings WHERE org_id = $1 AND call_id = k.row_id OFFSET 0) AS m`
)

func lockCalls(b *pgx.Batch, org events.OrgID, ids []string, found func(events.RowID, voice.Call)) {
	read := map[events.RowID]voice.Call{}
	b.Queue(selectCalls, org, ids).Query(func(rows pgx.Rows) error {
		c := voice.Call{Org: org}
		var reported int64
		var told facts.Known
		return scanEach(rows, []any{
			&c.ID, &c.MessageID, &c.Provider, &c.ProviderID, &c.ParentID, &c.Account, &c.Direction, &c.Origin,
			&c.From, &c.To, &c.CampaignID, &c.CustomerID,
			&c.Status, &c.ErrorCode, &c.Version, &reported, &told, &c.SentAt, &c.OccurredAt, &c.ReceivedAt, &c.LastAt,
		}, func() {
			one := c
			one.Reported, one.Facts = uint64(reported), known(told) //nolint:gosec // bits
			read[c.ID], told = one, nil
		})
	})
	b.Queue(selectRecordings, org, ids).Query(func(rows pgx.Rows) error {
		var id events.RowID
		var r voice.Recording
		err := scanEach(rows, []any{
			&id, &r.ProviderID, &r.Status, &r.ErrorCode, &r.Duration, &r.Channels, &r.Source, &r.Track, &r.Location,
			&r.StartedAt, &r.ReceivedAt, &r.LastAt,
		}, func() {
			c := read[id]
			if c.Recordings == nil {
				c.Recordings = map[string]voice.Recording{}
			}
			c.Recordings[r.ProviderID] = r
			read[id] = c
		})
		for id, c := range read {
			found(id, c)
		}
		return err
	})
}

// known returns stored facts as the rules make them: none is nil.
func known(k facts.Known) facts.Known {
	if len(k) == 0 {
		return nil
	}
	return k
}

// stored returns facts as they are stored: none is an empty object.
func stored(k facts.Known) facts.Known {
	if k == nil {
		return facts.Known{}
	}
	return k
}

const (
	upsertCalls = `
		INSERT INTO calls AS m (org_id, id, message_id, provider, provider_id, parent_id, account, direction, origin,
			from_address, to_address, campaign_id, customer_id, status, error_code, version, reported, facts,
			sent_at, occurred_at, received_at, last_at)
		SELECT $1, i, nullif(mi, '')::uuid, p, nullif(pi, ''), pa, a, d, o, f, t, nullif(ca, '')::uuid, nullif(cu, '')::uuid,
			s, ec, v, r, fa, sa, oa, ra, la
		FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
			$10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bigint[], $17::bigint[], $18::jsonb[],
			$19::timestamptz[], $20::timestamptz[], $21::timestamptz[], $22::timestamptz[])
			AS u(i, mi, p, pi, pa, a, d, o, f, t, ca, cu, s, ec, v, r, fa, sa, oa, ra, la)
		ORDER BY i
		ON CONFLICT (org_id, id) DO UPDATE SET message_id = excluded.message_id, provider = excluded.provider,
			provider_id = excluded.provider_id, parent_id = excluded.parent_id, account = excluded.account,
			direction = excluded.direction, origin = excluded.origin, from_address = excluded.from_address,
			to_address = excluded.to_address, campaign_id = excluded.campaign_id, customer_id = excluded.customer_id,
			status = excluded.status, error_code = excluded.error_code, version = excluded.version,
			reported = excluded.reported, facts = excluded.facts, sent_at = excluded.sent_at,
			occurred_at = excluded.occurred_at, received_at = excluded.received_at, last_at = excluded.last_at, updated_at = now()
		WHERE m.org_id = $1`
	upsertRecordings = `
		INSERT INTO call_recordings AS m (org_id, id, call_id, provider, provider_id, status, error_code, duration_seconds, channels,
			source, track, location, started_at, received_at, last_at)
		SELECT $1, i, c, p, pi, s, ec, du, ch, so, tr, lo, sa, ra, la
		FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::int[],
			$10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[])
			AS u(i, c, p, pi, s, ec, du, ch, so, tr, lo, sa, ra, la)
		ORDER BY c, i
		ON CONFLICT (org_id, call_id, id) DO UPDATE SET status = excluded.status, error_code = excluded.error_code,
			duration_seconds = excluded.duration_seconds, channels = excluded.channels, source = excluded.source,
			track = excluded.track, location = excluded.location, started_at = excluded.started_at,
			received_at = excluded.received_at, last_at = excluded.last_at
		WHERE m.org_id = $1`
)

func writeCalls(b *pgx.Batch, org events.OrgID, rows []*row[voice.Call]) error {
	type call = voice.Call
	b.Queue(upsertCalls, org,
		column(rows, func(c *call) string { return string(c.ID) }),
		column(rows, func(c *call) string { return c.MessageID }),
		column(rows, func(c *call) string { return string(c.Provider) }),
		column(rows, func(c *call) string { return c.ProviderID }),
		column(rows, func(c *call) string { return c.ParentID }),
		column(rows, func(c *call) string { return c.Account }),
		column(rows, func(c *call) string { return string(c.Direction) }),
		column(rows, func(c *call) string { return c.Origin }),
		column(rows, func(c *call) string { return c.From }),
		column(rows, func(c *call) string { return c.To }),
		column(rows, func(c *call) string { return c.CampaignID }),
		column(rows, func(c *call) string { return c.CustomerID }),
		column(rows, func(c *call) string { return c.Status }),
		column(rows, func(c *call) string { return c.ErrorCode }),
		column(rows, func(c *call) int64 { return c.Version }),
		column(rows, func(c *call) int64 { return int64(c.Reported) }), //nolint:gosec // bits
		column(rows, func(c *call) facts.Known { return stored(c.Facts) }),
		column(rows, func(c *call) *time.Time { return c.SentAt }),
		column(rows, func(c *call) *time.Time { return c.OccurredAt }),
		column(rows, func(c *call) time.Time { return c.ReceivedAt }),
		column(rows, func(c *call) time.Time { return c.LastAt }),
	)
	if all := changedRecordings(org, rows); len(all) > 0 {
		queueRecordings(b, org, all)
	}
	return nil
}

// recordingRow is a recording with its keys.
type recordingRow struct {
	voice.Recording

	id, call events.RowID
	provider events.Provider
}

func changedRecordings(org events.OrgID, rows []*row[voice.Call]) []recordingRow {
	var all []recordingRow
	for _, r := range rows {
		c := &r.after
		for id, rec := range c.Recordings {
			if before, ok := r.before.Recordings[id]; !ok || before != rec {
				key := events.DeriveID("recording", string(org), string(c.ID), id)
				all = append(all, recordingRow{rec, events.RowID(key), c.ID, c.Provider})
			}
		}
	}
	slices.SortFunc(all, func(a, b recordingRow) int { return strings.Compare(string(a.call+a.id), string(b.call+b.id)) })
	return all
}

func queueRecordings(b *pgx.Batch, org events.OrgID, all []recordingRow) {
	b.Queue(upsertRecordings, org,
		each(all, func(r *recordingRow) string { return string(r.id) }),
		each(all, func(r *recordingRow) string { return string(r.call) }),
		each(all, func(r *recordingRow) string { return string(r.provider) }),
		each(all, func(r *recordingRow) string { return r.ProviderID }),
		each(all, func(r *recordingRow) string { return r.Status }),
		each(all, func(r *recordingRow) string { return r.ErrorCode }),
		each(all, func(r *recordingRow) int64 { return r.Duration }),
		each(all, func(r *recordingRow) int { return r.Channels }),
		each(all, func(r *recordingRow) string { return r.Source }),
		each(all, func(r *recordingRow) string { return r.Track }),
		each(all, func(r *recordingRow) string { return r.Location }),
		each(all, func(r *recordingRow) *time.Time { return r.StartedAt }),
		each(all, func(r *recordingRow) time.Time { return r.ReceivedAt }),
		each(all, func(r *recordingRow) time.Time { return r.LastAt }),
	)
}
