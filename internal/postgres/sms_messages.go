package postgres

import (
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/campaign"
	"waybill/internal/events"
	"waybill/internal/messaging"
)

// smsMessages is the table of SMS, MMS and WhatsApp messages.
var smsMessages = &table[messaging.Message, events.Message]{
	name: "sms_message", medium: campaign.SMS,
	lock: lockSMS, fold: messaging.Fold, status: smsStatus, member: smsMember, bitName: messaging.BitName, write: writeSMS,
	replay: replayStatement("sms_messages", "channel"), class: messaging.ErrorClass,
}

func smsStatus(_, now *messaging.Message, e *events.Message, s events.Step) events.Status {
	return messaging.StatusEvent(now, e, s)
}

func smsMember(m *messaging.Message) member {
	c := campaign.Member{Campaign: m.CampaignID, Status: m.Status, Reached: m.Reached}
	if !messaging.Terminal(m.Status) {
		c.OpenSince = campaign.Since(m.ReceivedAt)
	}
	return member{c, m.CustomerID}
}

// selectMessages locks one row after the other in the order of $2, by the whole
// primary key: a plan for id = ANY($2) scans the organisation's rows for as long
// as there are no statistics.
const selectMessages = `
	SELECT m.* FROM unnest($2::uuid[]) AS k(row_id)
	CROSS JOIN LATERAL (
		SELECT id, coalesce(message_id::text, ''), provider, coalesce(provider_id, ''), account, channel, direction, origin,
			from_address, to_address, service, body, media, coalesce(campaign_id::text, ''), coalesce(customer_id::text, ''),
			status, error_code, version, reached, sent_at, occurred_at, received_at, last_at
		FROM sms_messages WHERE org_id = $1 AND id = k.row_id OFFSET 0 FOR UPDATE) AS m`

func lockSMS(b *pgx.Batch, org events.OrgID, ids []string, found func(events.RowID, messaging.Message)) {
	b.Queue(selectMessages, org, ids).Query(func(rows pgx.Rows) error {
		m := messaging.Message{Org: org}
		var reached int64
		_, err := pgx.ForEachRow(rows, []any{
			&m.ID, &m.MessageID, &m.Provider, &m.ProviderID, &m.Account, &m.Channel, &m.Direction, &m.Origin,
			&m.From, &m.To, &m.Service, &m.Body, &m.Media, &m.CampaignID, &m.CustomerID,
			&m.Status, &m.ErrorCode, &m.Version, &reached, &m.SentAt, &m.OccurredAt, &m.ReceivedAt, &m.LastAt,
		}, func() error {
			one := m
			one.Reached, one.Media = uint64(reached), slices.Clone(m.Media) //nolint:gosec // bits
			found(m.ID, one)
			return nil
		})
		return err
	})
}

const upsertMessages = `
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

// mediaSeparator joins a message's media URLs while they travel as one array
// element; a URL has no line feed.
const mediaSeparator = "\n"

func writeSMS(b *pgx.Batch, org events.OrgID, rows []*row[messaging.Message]) error {
	type message = messaging.Message
	b.Queue(upsertMessages, org,
		column(rows, func(m *message) string { return string(m.ID) }),
		column(rows, func(m *message) string { return m.MessageID }),
		column(rows, func(m *message) string { return string(m.Provider) }),
		column(rows, func(m *message) string { return m.ProviderID }),
		column(rows, func(m *message) string { return m.Account }),
		column(rows, func(m *message) string { return string(m.Channel) }),
		column(rows, func(m *message) string { return string(m.Direction) }),
		column(rows, func(m *message) string { return m.Origin }),
		column(rows, func(m *message) string { return m.From }),
		column(rows, func(m *message) string { return m.To }),
		column(rows, func(m *message) string { return m.Service }),
		column(rows, func(m *message) string { return m.Body }),
		column(rows, func(m *message) string { return strings.Join(m.Media, mediaSeparator) }),
		column(rows, func(m *message) string { return m.CampaignID }),
		column(rows, func(m *message) string { return m.CustomerID }),
		column(rows, func(m *message) string { return m.Status }),
		column(rows, func(m *message) string { return m.ErrorCode }),
		column(rows, func(m *message) int64 { return m.Version }),
		column(rows, func(m *message) int64 { return int64(m.Reached) }), //nolint:gosec // bits
		column(rows, func(m *message) *time.Time { return m.SentAt }),
		column(rows, func(m *message) *time.Time { return m.OccurredAt }),
		column(rows, func(m *message) time.Time { return m.ReceivedAt }),
		column(rows, func(m *message) time.Time { return m.LastAt }),
	)
	return nil
}
