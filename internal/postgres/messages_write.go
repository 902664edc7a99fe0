package postgres

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
)

const (
	insertCampaigns = `
		INSERT INTO sms_campaigns (org_id, id) SELECT $1, i FROM unnest($2::uuid[]) AS i ORDER BY i ON CONFLICT DO NOTHING`
	insertCustomers = `
		INSERT INTO customers (org_id, id) SELECT $1, i FROM unnest($2::uuid[]) AS i ORDER BY i ON CONFLICT DO NOTHING`
	upsertMessages = `
		INSERT INTO sms_messages AS m (org_id, id, message_id, provider, provider_id, account, channel, direction, origin,
			from_address, to_address, service, body, media, campaign_id, customer_id,
			status, error_code, version, reached, sent_at, occurred_at, received_at, last_at)
		SELECT $1, i, nullif(mi, '')::uuid, p, nullif(pi, ''), a, c, d, o, f, t, sv, bo,
			CASE WHEN me = '' THEN '{}' ELSE string_to_array(me, E'\n') END, nullif(ca, '')::uuid, nullif(cu, '')::uuid,
			s, ec, v, r, sa, oa, ra, la
		FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
			$10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
			$17::text[], $18::text[], $19::bigint[], $20::bigint[], $21::timestamptz[], $22::timestamptz[], $23::timestamptz[], $24::timestamptz[])
			AS u(i, mi, p, pi, a, c, d, o, f, t, sv, bo, me, ca, cu, s, ec, v, r, sa, oa, ra, la)
		ORDER BY i
		ON CONFLICT (org_id, id) DO UPDATE SET message_id = excluded.message_id, provider = excluded.provider,
			provider_id = excluded.provider_id, account = excluded.account, channel = excluded.channel,
			direction = excluded.direction, origin = excluded.origin, from_address = excluded.from_address,
			to_address = excluded.to_address, service = excluded.service, body = excluded.body, media = excluded.media,
			campaign_id = excluded.campaign_id, customer_id = excluded.customer_id, status = excluded.status,
			error_code = excluded.error_code, version = excluded.version, reached = excluded.reached,
			sent_at = excluded.sent_at, occurred_at = excluded.occurred_at, received_at = excluded.received_at,
			last_at = excluded.last_at, updated_at = now()
		WHERE m.org_id = $1`
	insertTimeline = `
		INSERT INTO events (org_id, event_id, applied_at, receipt_id, resource, row_id, provider, kind, outcome,
			event_status, event_error, occurred_at, received_at, raw_topic, raw_partition, raw_offset, resolved_by, version, status, error_code)
		SELECT $1, e, $2, r, 'sms_message', w, p, k, o, es, ee, oa, ra, rt, rp, ro, by, nullif(v, 0), CASE WHEN v > 0 THEN s END, CASE WHEN v > 0 THEN c END
		FROM unnest($3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
			$11::timestamptz[], $12::timestamptz[], $13::text[], $14::int[], $15::bigint[], $16::text[], $17::bigint[], $18::text[], $19::text[])
			AS u(e, r, w, p, k, o, es, ee, oa, ra, rt, rp, ro, by, v, s, c)`
	addCounters = `
		INSERT INTO campaign_counters AS c (org_id, campaign_id, shard, status, medium, messages, reached, version)
		SELECT $1, i, h, s, 'sms', m, r, 1 FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[]) AS u(i, h, s, m, r)
		ORDER BY i, h, s
		ON CONFLICT (org_id, campaign_id, shard, status) DO UPDATE SET messages = c.messages + excluded.messages,
			reached = c.reached + excluded.reached, version = c.version + 1
		WHERE c.org_id = $1`
)

// write sends every organisation's rows in one pipeline. Parents come first.
func (a *messageBatch) write(ctx context.Context, tx pgx.Tx) error {
	return inOrgs(ctx, tx, a.orgs, func(org events.OrgID, b *pgx.Batch) {
		g := a.groups[org]
		g.queueParents(org, b)
		g.queueRows(org, b)
		g.queueTimeline(org, a.ledger.now, b)
		g.queueCounters(org, b)
	})
}

// queueParents makes the campaigns and customers that send records name first.
func (g *orgGroup) queueParents(org events.OrgID, b *pgx.Batch) {
	campaigns, customers := map[string]bool{}, map[string]bool{}
	for _, row := range g.rows {
		if c := row.after.CampaignID; c != "" && c != row.before.CampaignID {
			campaigns[c] = true
		}
		if c := row.after.CustomerID; c != "" && c != row.before.CustomerID {
			customers[c] = true
		}
	}
	if len(campaigns) > 0 {
		b.Queue(insertCampaigns, org, slices.Sorted(maps.Keys(campaigns)))
	}
	if len(customers) > 0 {
		b.Queue(insertCustomers, org, slices.Sorted(maps.Keys(customers)))
	}
}

func (g *orgGroup) queueRows(org events.OrgID, b *pgx.Batch) {
	var (
		ids, messageIDs, providers, providerIDs, accounts, channels, directions, origins []string
		froms, tos, services, bodies, media, campaigns, customers, statuses, codes       []string
		versions, reached                                                                []int64
		sent, occurred                                                                   []*time.Time
		received, last                                                                   []time.Time
	)
	for _, id := range g.ids {
		row := g.rows[events.RowID(id)]
		if !row.dirty {
			continue
		}
		m := &row.after
		ids, messageIDs = append(ids, string(m.ID)), append(messageIDs, m.MessageID)
		providers, providerIDs = append(providers, string(m.Provider)), append(providerIDs, m.ProviderID)
		accounts, channels = append(accounts, m.Account), append(channels, string(m.Channel))
		directions, origins = append(directions, string(m.Direction)), append(origins, m.Origin)
		froms, tos, services = append(froms, m.From), append(tos, m.To), append(services, m.Service)
		bodies, media = append(bodies, m.Body), append(media, joinMedia(m.Media))
		campaigns, customers = append(campaigns, m.CampaignID), append(customers, m.CustomerID)
		statuses, codes = append(statuses, m.Status), append(codes, m.ErrorCode)
		versions, reached = append(versions, m.Version), append(reached, int64(m.Reached)) //nolint:gosec // bits
		sent, occurred = append(sent, m.SentAt), append(occurred, m.OccurredAt)
		received, last = append(received, m.ReceivedAt), append(last, m.LastAt)
	}
	if len(ids) == 0 {
		return
	}
	b.Queue(upsertMessages, org, ids, messageIDs, providers, providerIDs, accounts, channels, directions, origins,
		froms, tos, services, bodies, media, campaigns, customers, statuses, codes, versions, reached, sent, occurred, received, last)
}

func (g *orgGroup) queueTimeline(org events.OrgID, now time.Time, b *pgx.Batch) {
	n := len(g.timeline)
	if n == 0 {
		return
	}
	var (
		ids, receipts, rows, providers, kinds = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		outcomes, said, codes, topics, by     = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		statuses, errorCodes                  = make([]string, n), make([]string, n)
		occurred                              = make([]*time.Time, n)
		received                              = make([]time.Time, n)
		partitions                            = make([]int32, n)
		offsets, versions                     = make([]int64, n), make([]int64, n)
	)
	for i, t := range g.timeline {
		e := t.e
		ids[i], receipts[i], rows[i] = string(e.EventID), string(e.Receipt), string(e.Row)
		providers[i], kinds[i], outcomes[i] = string(e.Provider), string(e.Kind), string(t.step.Outcome)
		said[i], codes[i], by[i] = e.Status, e.ErrorCode, e.ResolvedBy
		topics[i], partitions[i], offsets[i] = e.Raw.Topic, int32(e.Raw.Partition), e.Raw.Offset //nolint:gosec // a partition number
		occurred[i], received[i] = e.OccurredAt, e.ReceivedAt
		statuses[i], errorCodes[i] = t.step.Status, t.step.ErrorCode
		if t.step.Transition {
			versions[i] = t.step.Version
		}
	}
	b.Queue(insertTimeline, org, now, ids, receipts, rows, providers, kinds, outcomes, said, codes,
		occurred, received, topics, partitions, offsets, by, versions, statuses, errorCodes)
}

func (g *orgGroup) queueCounters(org events.OrgID, b *pgx.Batch) {
	cells := g.deltas.Sorted()
	if len(cells) == 0 {
		return
	}
	n := len(cells)
	campaigns, statuses := make([]string, n), make([]string, n)
	shards := make([]int16, n)
	messages, reached := make([]int64, n), make([]int64, n)
	for i, c := range cells {
		campaigns[i], statuses[i], shards[i] = c.Campaign, c.Status, int16(c.Shard) //nolint:gosec // 0 to 3
		messages[i], reached[i] = c.Messages, c.Reached
	}
	b.Queue(addCounters, org, campaigns, shards, statuses, messages, reached)
}
