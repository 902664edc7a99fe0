-- What is on record about an id, for operators. These statements look across
-- organisations: the roles that run them may read all and write none of it.
-- Where one is given, @orgs narrows; the indexes begin with the organisation.

-- name: OrgIDs :many
-- OrgIDs returns every organisation, or the one that is asked for if it exists.
SELECT id FROM organizations WHERE sqlc.narg('org')::uuid IS NULL OR id = sqlc.narg('org')::uuid;

-- name: RowsByID :many
-- RowsByID finds messages and calls by row id or by the sender's own message id.
SELECT kind, org_id, id FROM resources WHERE org_id = ANY(@orgs::uuid[]) AND id = @id::uuid
UNION
SELECT kind, org_id, id FROM resources WHERE org_id = ANY(@orgs::uuid[]) AND message_id = @id::uuid;

-- name: RowsByProviderID :many
-- RowsByProviderID finds messages and calls by the provider's id.
SELECT kind, org_id, id FROM resources
WHERE org_id = ANY(@orgs::uuid[]) AND provider = ANY(@providers::text[]) AND provider_id = @provider_id::text;

-- name: RowsByCampaign :many
-- RowsByCampaign finds the newest messages and calls of a campaign.
SELECT kind, org_id, id FROM resources WHERE org_id = ANY(@orgs::uuid[]) AND campaign_id = @campaign_id::uuid
ORDER BY received_at DESC, id LIMIT @most;

-- name: RowsByAddress :many
-- RowsByAddress finds the newest messages and calls from or to an address. An
-- index serves the recipients of e-mails only: a large table takes seconds.
SELECT kind, org_id, id FROM resources r
WHERE org_id = ANY(@orgs::uuid[]) AND (from_address = ANY(@addresses::text[]) OR to_address = ANY(@addresses::text[])
  OR (kind = 'email_message' AND (org_id, id) IN (
    SELECT e.org_id, e.email_id FROM email_recipients e WHERE e.org_id = ANY(@orgs::uuid[]) AND e.address = ANY(@addresses::text[]) AND e.address <> '')))
ORDER BY received_at DESC, id LIMIT @most;

-- name: ResourceByRow :one
-- ResourceByRow returns one message, without its text, or one call.
SELECT kind, org_id, id, message_id, provider, provider_id, account, channel, direction, origin, from_address, to_address, service,
  campaign_id, customer_id, status, error_code, version, facts, sent_at, occurred_at, received_at, last_at, updated_at
FROM resources WHERE org_id = @org_id AND id = @id AND kind = @kind::text;

-- name: RecipientsOf :many
-- RecipientsOf returns the recipients of an e-mail.
SELECT id, address, status, error_code FROM email_recipients WHERE org_id = @org_id AND email_id = @email_id ORDER BY address;

-- name: RecordingsOf :many
-- RecordingsOf returns the recordings of a call.
SELECT provider_id, status, error_code, duration_seconds, channels, source, track, location, started_at FROM call_recordings
WHERE org_id = @org_id AND call_id = @call_id ORDER BY received_at, provider_id;

-- name: TimelineOfRow :many
-- TimelineOfRow returns the newest events of a row.
SELECT event_id, receipt_id, resource, row_id, provider, kind, outcome, reason, event_status, event_error, occurred_at, received_at, applied_at,
  raw_topic, raw_partition, raw_offset, resolved_by, version, status, error_code, detail, sequence
FROM events WHERE org_id = @org_id AND row_id = @row_id AND resource = @resource
ORDER BY applied_at DESC, received_at DESC LIMIT @most;

-- name: FinalEvent :one
-- FinalEvent returns what became of an event.
SELECT event_id, receipt_id, org_id, outcome, applied_at FROM event_ids WHERE event_id = @event_id;

-- name: RowOfEvent :one
-- RowOfEvent returns the row that an event of the timeline is about.
SELECT resource, row_id FROM events WHERE org_id = @org_id AND event_id = @event_id AND applied_at = @applied_at;

-- name: BillingObjects :many
-- BillingObjects finds Stripe's subscriptions, invoices, charges and checkout
-- sessions by their id or their customer's.
SELECT 'subscription'::text AS kind, s.mode, s.id, s.customer, s.status, s.newest, s.version, s.created_at, s.updated_at FROM subscriptions s
WHERE s.id = ANY(@ids::text[]) OR s.customer = ANY(@ids::text[])
UNION ALL
SELECT o.kind, o.mode, o.id, o.customer, o.status, o.newest, o.version, o.created_at, o.updated_at FROM billing_objects o
WHERE o.id = ANY(@ids::text[]) OR o.customer = ANY(@ids::text[])
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
SELECT e.org_id FROM email_campaigns e WHERE e.id = @id::uuid AND e.org_id = ANY(@orgs::uuid[])
UNION
SELECT v.org_id FROM voice_campaigns v WHERE v.id = @id::uuid AND v.org_id = ANY(@orgs::uuid[]);

-- name: CampaignCounters :many
-- CampaignCounters sums a campaign's counters over its shards.
SELECT status, sum(messages)::bigint AS messages, sum(reached)::bigint AS reached FROM campaign_counters
WHERE org_id = @org_id AND campaign_id = @campaign_id
GROUP BY status HAVING sum(messages) <> 0 OR sum(reached) <> 0;

-- name: CampaignRecount :many
-- CampaignRecount counts a campaign's messages and calls anew.
SELECT status, count(*) AS messages FROM resources WHERE org_id = @org_id AND campaign_id = @campaign_id GROUP BY status;

-- name: ConsentsOf :many
-- ConsentsOf returns what was decided about an address, by organisation.
SELECT org_id, channel, sender, address, opted_out, decided_at, event_id FROM consents
WHERE org_id = ANY(@orgs::uuid[]) AND address = ANY(@addresses::text[]) AND address <> ''
ORDER BY org_id, channel, sender, address LIMIT @most;
