-- What is on record about an id, for operators. These statements look across
-- organisations: the roles that run them may read all and write none of it.
-- Where one is given, @orgs narrows; the indexes begin with the organisation.

-- name: OrgIDs :many
-- OrgIDs returns every organisation, or the one that is asked for if it exists.
SELECT id FROM organizations WHERE sqlc.narg('org')::uuid IS NULL OR id = sqlc.narg('org')::uuid;

-- name: RowsByID :many
-- RowsByID finds messages by row id or by the sender's own message id.
SELECT org_id, id FROM sms_messages WHERE org_id = ANY(@orgs::uuid[]) AND id = @id::uuid
UNION
SELECT org_id, id FROM sms_messages WHERE org_id = ANY(@orgs::uuid[]) AND message_id = @id::uuid;

-- name: RowsByProviderID :many
-- RowsByProviderID finds messages by the provider's id.
SELECT org_id, id FROM sms_messages
WHERE org_id = ANY(@orgs::uuid[]) AND provider = ANY(@providers::text[]) AND provider_id = @provider_id::text;

-- name: RowsByCampaign :many
-- RowsByCampaign finds the newest messages of a campaign.
SELECT org_id, id FROM sms_messages WHERE org_id = ANY(@orgs::uuid[]) AND campaign_id = @campaign_id::uuid
ORDER BY received_at DESC, id LIMIT @most;

-- name: RowsByAddress :many
-- RowsByAddress finds the newest messages from or to an address. No index
-- serves it: a large table takes seconds.
SELECT org_id, id FROM sms_messages
WHERE org_id = ANY(@orgs::uuid[]) AND (from_address = ANY(@addresses::text[]) OR to_address = ANY(@addresses::text[]))
ORDER BY received_at DESC, id LIMIT @most;

-- name: MessageByRow :one
-- MessageByRow returns one message without its text.
SELECT org_id, id, message_id, provider, provider_id, account, channel, direction, origin, from_address, to_address, service,
  campaign_id, customer_id, status, error_code, version, sent_at, occurred_at, received_at, last_at, updated_at
FROM sms_messages WHERE org_id = @org_id AND id = @id;

-- name: TimelineOfRow :many
-- TimelineOfRow returns the newest events of a row.
SELECT event_id, receipt_id, row_id, provider, kind, outcome, reason, event_status, event_error, occurred_at, received_at, applied_at,
  raw_topic, raw_partition, raw_offset, resolved_by, version, status, error_code
FROM events WHERE org_id = @org_id AND row_id = @row_id
ORDER BY applied_at DESC, received_at DESC LIMIT @most;

-- name: FinalEvent :one
-- FinalEvent returns what became of an event.
SELECT event_id, receipt_id, org_id, outcome, applied_at FROM event_ids WHERE event_id = @event_id;

-- name: RowOfEvent :one
-- RowOfEvent returns the row that an event of the timeline is about.
SELECT row_id FROM events WHERE org_id = @org_id AND event_id = @event_id AND applied_at = @applied_at;

-- name: Subscriptions :many
-- Subscriptions finds Stripe's subscriptions by their id or their customer's.
SELECT mode, id, customer, status, newest, version, created_at, updated_at FROM subscriptions
WHERE id = ANY(@ids::text[]) OR customer = ANY(@ids::text[])
ORDER BY newest DESC, id LIMIT @most;

-- name: BillingEvents :many
-- BillingEvents returns the newest Stripe events about objects, or with an id
-- of Stripe's or of ours.
SELECT event_id, stripe_id, mode, type, object_id, outcome, status, receipt_id, created, received_at, applied_at,
  raw_topic, raw_partition, raw_offset
FROM billing_events WHERE object_id = ANY(@ids::text[]) OR stripe_id = ANY(@ids::text[]) OR event_id = ANY(@ids::text[])
ORDER BY applied_at DESC LIMIT @most;

-- name: Repeats :many
-- Repeats returns the receipts under which events came again.
SELECT event_id, receipt_id FROM event_duplicates WHERE event_id = ANY(@event_ids::text[]);

-- name: CampaignOrgs :many
-- CampaignOrgs returns the organisations that have a campaign of that id.
SELECT s.org_id FROM sms_campaigns s WHERE s.id = @id::uuid AND s.org_id = ANY(@orgs::uuid[])
UNION
SELECT e.org_id FROM email_campaigns e WHERE e.id = @id::uuid AND e.org_id = ANY(@orgs::uuid[]);

-- name: CampaignCounters :many
-- CampaignCounters sums a campaign's counters over its shards.
SELECT status, sum(messages)::bigint AS messages, sum(reached)::bigint AS reached FROM campaign_counters
WHERE org_id = @org_id AND campaign_id = @campaign_id
GROUP BY status HAVING sum(messages) <> 0 OR sum(reached) <> 0;

-- name: CampaignRecount :many
-- CampaignRecount counts a campaign's messages anew.
SELECT status, count(*) AS messages FROM sms_messages WHERE org_id = @org_id AND campaign_id = @campaign_id GROUP BY status;
