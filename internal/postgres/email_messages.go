package postgres

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/internal/campaign"
	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/facts"
)

// emailMessages is the table of e-mails, with their recipients.
var emailMessages = &table[email.Message, events.Message]{
	name: "email_message", medium: campaign.Email, prepare: pseudonyms,
	lock: lockEmails, fold: foldEmail, status: emailStatus, member: emailMember, bitName: email.BitName, write: writeEmails,
	replay: replayStatement("email_messages", "'email'"), class: email.ErrorClass,
}

// selectPseudonyms returns what the recipients of erased e-mails are called now.
const selectPseudonyms = `
	SELECT k.n, erased_address($1, k.address) FROM unnest($2::int[], $3::uuid[], $4::text[]) AS k(n, row_id, address)
	CROSS JOIN LATERAL (
		SELECT FROM email_messages WHERE org_id = $1 AND id = k.row_id AND erased_at IS NOT NULL OFFSET 0) AS m
	WHERE NOT EXISTS (SELECT FROM email_recipients r WHERE r.org_id = $1 AND r.email_id = k.row_id AND r.address = k.address)`

// pseudonyms renames the recipients that events of erased e-mails name, so that
// a late event still meets its recipient and brings no address back.
func pseudonyms(b *pgx.Batch, org events.OrgID, all []*events.Message) {
	var at []*string
	var numbers []int
	var rows, addresses []string
	name := func(e *events.Message, address *string) {
		if *address != "" {
			numbers, rows, addresses = append(numbers, len(at)), append(rows, string(e.Row)), append(addresses, email.Address(*address))
			at = append(at, address)
		}
	}
	for _, e := range all {
		name(e, &e.To)
		for i := range e.Recipients {
			name(e, &e.Recipients[i].Address)
		}
	}
	if len(at) == 0 {
		return
	}
	b.Queue(selectPseudonyms, org, numbers, rows, addresses).Query(func(rows pgx.Rows) error {
		var n int
		var pseudonym string
		return scanEach(rows, []any{&n, &pseudonym}, func() { *at[n] = pseudonym })
	})
}

// foldEmail gives a new recipient its id, once and for all.
func foldEmail(row email.Message, exists bool, e *events.Message) (email.Message, events.Step) {
	after, step := email.Fold(row, exists, e)
	for address, r := range after.Recipients {
		if r.ID == "" { // then Fold made the map
			r.ID = uuid.NewString()
			after.Recipients[address] = r
		}
	}
	return after, step
}

// emailStatus names the recipients as they were behind the transition, and all
// else as it is known by now.
func emailStatus(then, now *email.Message, e *events.Message, s events.Step) events.Status {
	m := *now
	m.Recipients = then.Recipients
	return email.StatusEvent(&m, e, s)
}

func emailMember(m *email.Message) member {
	c := campaign.Member{Campaign: m.CampaignID, Status: m.Status, Reached: m.Reached}
	if !email.Terminal(m.Status) {
		c.OpenSince = campaign.Since(m.ReceivedAt)
	}
	return member{c, m.CustomerID}
}

const (
	selectEmails = `
		SELECT m.* FROM unnest($2::uuid[]) AS k(row_id)
		CROSS JOIN LATERAL (
			SELECT id, coalesce(message_id::text, ''), provider, coalesce(provider_id, ''), account, origin, from_address,
				coalesce(campaign_id::text, ''), coalesce(customer_id::text, ''), own_status, own_error,
				status, error_code, version, reached, facts, sent_at, occurred_at, received_at, last_at
			FROM email_messages WHERE org_id = $1 AND id = k.row_id OFFSET 0 FOR UPDATE) AS m`
	selectRecipients = `
		SELECT m.* FROM unnest($2::uuid[]) AS k(row_id)
		CROSS JOIN LATERAL (
			SELECT email_id, address, id, status, error_code
			FROM email_recipients WHERE org_id = $1 AND email_id = k.row_id OFFSET 0) AS m`
)

func lockEmails(b *pgx.Batch, org events.OrgID, ids []string, found func(events.RowID, email.Message)) {
	read := map[events.RowID]email.Message{}
	b.Queue(selectEmails, org, ids).Query(func(rows pgx.Rows) error {
		m := email.Message{Org: org}
		var reached int64
		var told facts.Known
		return scanEach(rows, []any{
			&m.ID, &m.MessageID, &m.Provider, &m.ProviderID, &m.Account, &m.Origin, &m.From,
			&m.CampaignID, &m.CustomerID, &m.Own.Status, &m.Own.ErrorCode,
			&m.Status, &m.ErrorCode, &m.Version, &reached, &told, &m.SentAt, &m.OccurredAt, &m.ReceivedAt, &m.LastAt,
		}, func() {
			one := m
			one.Reached, one.Facts = uint64(reached), known(told) //nolint:gosec // bits
			read[m.ID], told = one, nil
		})
	})
	b.Queue(selectRecipients, org, ids).Query(func(rows pgx.Rows) error {
		var id events.RowID
		var address string
		var r email.Recipient
		err := scanEach(rows, []any{&id, &address, &r.ID, &r.Status, &r.ErrorCode}, func() {
			m := read[id]
			if m.Recipients == nil {
				m.Recipients = map[string]email.Recipient{}
			}
			m.Recipients[address] = r
			read[id] = m
		})
		for id, m := range read {
			found(id, m)
		}
		return err
	})
}

const (
	upsertEmails = `
		INSERT INTO email_messages AS m (org_id, id, message_id, provider, provider_id, account, origin, from_address,
			campaign_id, customer_id, own_status, own_error, status, error_code, version, reached, facts,
			sent_at, occurred_at, received_at, last_at)
		SELECT $1, i, nullif(mi, '')::uuid, p, nullif(pi, ''), a, o, f, nullif(ca, '')::uuid, nullif(cu, '')::uuid, os, oe,
			s, ec, v, r, fa, sa, oa, ra, la
		FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
			$11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bigint[], $17::jsonb[],
			$18::timestamptz[], $19::timestamptz[], $20::timestamptz[], $21::timestamptz[])
			AS u(i, mi, p, pi, a, o, f, ca, cu, os, oe, s, ec, v, r, fa, sa, oa, ra, la)
		ORDER BY i
		ON CONFLICT (org_id, id) DO UPDATE SET message_id = excluded.message_id, provider = excluded.provider,
			provider_id = excluded.provider_id, account = excluded.account, origin = excluded.origin,
			from_address = excluded.from_address, campaign_id = excluded.campaign_id, customer_id = excluded.customer_id,
			own_status = excluded.own_status, own_error = excluded.own_error, status = excluded.status,
			error_code = excluded.error_code, version = excluded.version, reached = excluded.reached, facts = excluded.facts,
			sent_at = excluded.sent_at, occurred_at = excluded.occurred_at, received_at = excluded.received_at,
			last_at = excluded.last_at, updated_at = now()
		WHERE m.org_id = $1`
	upsertRecipients = `
		INSERT INTO email_recipients AS m (org_id, email_id, address, id, status, error_code)
		SELECT $1, e, a, i, s, c FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[]) AS u(e, a, i, s, c)
		ORDER BY e, a
		ON CONFLICT (org_id, email_id, address) DO UPDATE SET status = excluded.status, error_code = excluded.error_code
		WHERE m.org_id = $1`
)

func writeEmails(b *pgx.Batch, org events.OrgID, rows []*row[email.Message]) error {
	type message = email.Message
	b.Queue(upsertEmails, org,
		column(rows, func(m *message) string { return string(m.ID) }),
		column(rows, func(m *message) string { return m.MessageID }),
		column(rows, func(m *message) string { return string(m.Provider) }),
		column(rows, func(m *message) string { return m.ProviderID }),
		column(rows, func(m *message) string { return m.Account }),
		column(rows, func(m *message) string { return m.Origin }),
		column(rows, func(m *message) string { return m.From }),
		column(rows, func(m *message) string { return m.CampaignID }),
		column(rows, func(m *message) string { return m.CustomerID }),
		column(rows, func(m *message) string { return m.Own.Status }),
		column(rows, func(m *message) string { return m.Own.ErrorCode }),
		column(rows, func(m *message) string { return m.Status }),
		column(rows, func(m *message) string { return m.ErrorCode }),
		column(rows, func(m *message) int64 { return m.Version }),
		column(rows, func(m *message) int64 { return int64(m.Reached) }), //nolint:gosec // bits
		column(rows, func(m *message) facts.Known { return stored(m.Facts) }),
		column(rows, func(m *message) *time.Time { return m.SentAt }),
		column(rows, func(m *message) *time.Time { return m.OccurredAt }),
		column(rows, func(m *message) time.Time { return m.ReceivedAt }),
		column(rows, func(m *message) time.Time { return m.LastAt }),
	)
	if all := changedRecipients(rows); len(all) > 0 {
		b.Queue(upsertRecipients, org,
			each(all, func(r *recipientRow) string { return string(r.email) }),
			each(all, func(r *recipientRow) string { return r.address }),
			each(all, func(r *recipientRow) string { return r.ID }),
			each(all, func(r *recipientRow) string { return r.Status }),
			each(all, func(r *recipientRow) string { return r.ErrorCode }),
		)
	}
	return nil
}

// recipientRow is a recipient with its key.
type recipientRow struct {
	email.Recipient

	email   events.RowID
	address string
}

func changedRecipients(rows []*row[email.Message]) []recipientRow {
	var all []recipientRow
	for _, r := range rows {
		for address, rec := range r.after.Recipients {
			if before, ok := r.before.Recipients[address]; !ok || before != rec {
				all = append(all, recipientRow{rec, r.after.ID, address})
			}
		}
	}
	slices.SortFunc(all, func(a, b recipientRow) int {
		return cmp.Or(cmp.Compare(a.email, b.email), cmp.Compare(a.address, b.address))
	})
	return all
}
