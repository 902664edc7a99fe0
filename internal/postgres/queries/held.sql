-- Events without a home, for operators. A filter that is empty filters nothing.

-- name: ListHeld :many
-- ListHeld returns held events, the newest first.
SELECT h.event_id, h.receipt_id, h.state, h.reason, h.provider, h.kind, h.signer, h.named_key, h.org_id, h.received_at, h.held_at,
  h.raw_topic, h.raw_partition, h.raw_offset, h.ready, h.attempts,
  ARRAY(SELECT k.key FROM held_keys k WHERE k.event_id = h.event_id ORDER BY k.key)::text[] AS keys
FROM held_events h
WHERE (cardinality(@ids::text[]) = 0 OR h.event_id = ANY(@ids::text[]))
  AND (@state::text = '' OR h.state = @state::text)
  AND (cardinality(@keys::text[]) = 0 OR h.named_key = ANY(@keys::text[])
    OR EXISTS (SELECT 1 FROM held_keys k WHERE k.event_id = h.event_id AND k.key = ANY(@keys::text[])))
  AND (@org::text = '' OR h.org_id::text = @org::text OR h.signer = @org::text OR EXISTS (
    SELECT 1 FROM account_orgs o JOIN accounts a ON a.id = o.account_id
    WHERE a.provider = h.provider AND a.name = h.signer AND o.org_id::text = @org::text))
ORDER BY h.received_at DESC, h.event_id LIMIT @most;

-- name: HeldNamed :many
-- HeldNamed returns which events are held under an event's id or for any of
-- some keys.
SELECT n.event_id FROM held_events n WHERE n.event_id = @event_id::text OR n.named_key = ANY(@keys::text[])
UNION
SELECT k.event_id FROM held_keys k WHERE k.key = ANY(@keys::text[])
LIMIT @most;

-- name: PickHeld :many
-- PickHeld locks held events that a filter selects, in order. With only_waiting
-- it leaves out those that are ready already.
SELECT h.event_id, h.receipt_id, h.state, h.org_id, h.received_at FROM held_events h
WHERE NOT (@only_waiting::boolean AND h.ready)
  AND h.event_id > @after::text
  AND (cardinality(@ids::text[]) = 0 OR h.event_id = ANY(@ids::text[]))
  AND (@state::text = '' OR h.state = @state::text)
  AND (cardinality(@keys::text[]) = 0 OR h.named_key = ANY(@keys::text[])
    OR EXISTS (SELECT 1 FROM held_keys k WHERE k.event_id = h.event_id AND k.key = ANY(@keys::text[])))
  AND (@org::text = '' OR h.org_id::text = @org::text OR h.signer = @org::text OR EXISTS (
    SELECT 1 FROM account_orgs o JOIN accounts a ON a.id = o.account_id
    WHERE a.provider = h.provider AND a.name = h.signer AND o.org_id::text = @org::text))
ORDER BY h.event_id LIMIT @most FOR UPDATE OF h;

-- name: SetReady :exec
-- SetReady has held events processed anew.
UPDATE held_events SET ready = true, ready_at = now(), retry_at = NULL WHERE event_id = ANY(@ids::text[]);

-- name: FinishDismissed :exec
-- FinishDismissed gives events that have no final outcome yet one: ignored.
INSERT INTO event_ids (event_id, receipt_id, org_id, outcome, applied_at)
SELECT h.event_id, h.receipt_id, h.org_id, 'ignored', now() FROM held_events h WHERE h.event_id = ANY(@ids::text[]) ORDER BY h.event_id
ON CONFLICT DO NOTHING;

-- name: CountDismissedRepeats :exec
-- CountDismissedRepeats counts as repeats the receipts of events that had
-- their final outcome under another one.
INSERT INTO event_duplicates (event_id, receipt_id, received_at)
SELECT h.event_id, h.receipt_id, h.received_at FROM held_events h JOIN event_ids e ON e.event_id = h.event_id
WHERE h.event_id = ANY(@ids::text[]) AND e.receipt_id <> h.receipt_id
ORDER BY h.event_id
ON CONFLICT DO NOTHING;

-- name: DeleteHeld :exec
-- DeleteHeld removes held events; their outcome is on record by then.
DELETE FROM held_events WHERE event_id = ANY(@ids::text[]);
