-- Events without a home, for operators. Which are meant is asked for by
-- heldpick.go.

-- name: ListHeld :many
-- ListHeld returns held events of these ids, the newest first.
SELECT h.event_id, h.receipt_id, h.state, h.reason, h.provider, h.kind, h.signer, h.named_key, h.received_at, h.held_at,
  h.raw_topic, h.raw_partition, h.raw_offset, h.ready, h.attempts, h.detail, h.retry_at,
  ARRAY(SELECT k.key FROM held_keys k WHERE k.event_id = h.event_id ORDER BY k.key)::text[] AS keys
FROM held_events h
WHERE h.event_id = ANY(@ids::text[])
ORDER BY h.received_at DESC, h.event_id;

-- name: HeldNamed :many
-- HeldNamed returns which events are held under an event's id or for any of
-- some keys.
SELECT n.event_id FROM held_events n WHERE n.event_id = @event_id::text OR n.named_key = ANY(@keys::text[])
UNION
SELECT k.event_id FROM held_keys k WHERE k.key = ANY(@keys::text[])
LIMIT @most;

-- name: SetReady :exec
-- SetReady has held events processed anew.
UPDATE held_events SET ready = true, ready_at = now(), retry_at = NULL WHERE event_id = ANY(@ids::text[]);

-- name: FinishDismissed :exec
-- FinishDismissed gives events that have no final outcome yet one: ignored.
INSERT INTO event_ids (event_id, receipt_id, outcome, applied_at)
SELECT h.event_id, h.receipt_id, 'ignored', now() FROM held_events h WHERE h.event_id = ANY(@ids::text[]) ORDER BY h.event_id
ON CONFLICT DO NOTHING;

-- name: CountDismissedRepeats :exec
-- CountDismissedRepeats counts as repeats the receipts of events that had
-- their final outcome under another one.
INSERT INTO event_duplicates (event_id, receipt_id, received_at)
SELECT h.event_id, h.receipt_id, h.received_at FROM held_events h
CROSS JOIN LATERAL (SELECT receipt_id FROM event_ids WHERE event_id = h.event_id OFFSET 0) e
WHERE h.event_id = ANY(@ids::text[]) AND e.receipt_id <> h.receipt_id
ORDER BY h.event_id
ON CONFLICT DO NOTHING;

-- name: DeleteHeld :exec
-- DeleteHeld removes held events; their outcome is on record by then.
DELETE FROM held_events WHERE event_id = ANY(@ids::text[]);

-- name: ListActs :many
-- ListActs returns operators' acts on held events since a time, the newest
-- first.
SELECT acted_at, act, operator, application, os_user, event_id, events, state, reason, org_id, filter, note FROM held_acts
WHERE acted_at >= @since ORDER BY acted_at DESC, id DESC LIMIT @most;

-- name: ActsOn :many
-- ActsOn returns operators' acts on one event, the newest first. One in a chunk
-- of a bulk act is not among them.
SELECT acted_at, act, operator, application, os_user, event_id, events, state, reason, org_id, filter, note FROM held_acts
WHERE event_id = @event_id::text ORDER BY id DESC LIMIT @most;

-- name: Assign :exec
-- Assign says whose held events are; the last word counts.
INSERT INTO held_assignments (event_id, org_id) SELECT e, @org::uuid FROM unnest(@ids::text[]) AS e ORDER BY e
ON CONFLICT (event_id) DO UPDATE SET org_id = excluded.org_id, assigned_at = excluded.assigned_at;

-- name: OrgErased :one
-- OrgErased tells whether an organisation was erased; no row: there is none.
SELECT erased_at IS NOT NULL AS erased FROM organizations WHERE id = @org;
