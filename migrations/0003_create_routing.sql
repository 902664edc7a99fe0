-- The tenant map and the events that wait for it. A row of tenant_map without
-- an organisation is a placeholder: whoever parks an event locks it, whoever
-- records the key locks it too, so that no event is parked unseen. Keys of
-- senders and accounts stand here only as such locks.
-- Locks: none, the tables are new.
-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE TABLE tenant_map (
  key         text PRIMARY KEY,
  org_id      uuid REFERENCES organizations (id),
  row_id      uuid,
  account     text NOT NULL DEFAULT '',
  sent_at     timestamptz,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz,
  CHECK (org_id IS NOT NULL OR row_id IS NULL)
);

CREATE TABLE held_events (
  event_id      text PRIMARY KEY,
  receipt_id    uuid NOT NULL,
  state         text NOT NULL CHECK (state IN ('parked', 'quarantined', 'dead')),
  reason        text NOT NULL,
  provider      text NOT NULL,
  kind          text NOT NULL,
  signer        text NOT NULL,
  named_key     text NOT NULL DEFAULT '',
  org_id        uuid,
  received_at   timestamptz NOT NULL,
  held_at       timestamptz NOT NULL DEFAULT now(),
  raw_topic     text NOT NULL,
  raw_partition integer NOT NULL,
  raw_offset    bigint NOT NULL,
  record        bytea,
  ready         boolean NOT NULL DEFAULT false,
  retry_at      timestamptz,
  lease_token   uuid,
  lease_until   timestamptz,
  attempts      integer NOT NULL DEFAULT 0
);
CREATE INDEX held_events_ready ON held_events (lease_until NULLS FIRST) WHERE ready;
CREATE INDEX held_events_state ON held_events (state, received_at);
CREATE INDEX held_events_named ON held_events (named_key);

CREATE TABLE held_keys (
  key      text NOT NULL,
  event_id text NOT NULL REFERENCES held_events (event_id) ON DELETE CASCADE,
  PRIMARY KEY (key, event_id)
);
CREATE INDEX held_keys_event ON held_keys (event_id);

GRANT SELECT, INSERT, UPDATE ON tenant_map TO waybill_router;
GRANT SELECT, INSERT ON tenant_map TO waybill_operator;
GRANT UPDATE (recorded_at) ON tenant_map TO waybill_operator;
GRANT SELECT ON tenant_map TO waybill_readonly;
GRANT SELECT, INSERT, UPDATE, DELETE ON held_events, held_keys TO waybill_router, waybill_worker;
GRANT SELECT, DELETE ON held_events, held_keys TO waybill_operator;
GRANT UPDATE (ready, retry_at, state, reason, org_id) ON held_events TO waybill_operator;
GRANT SELECT ON held_events, held_keys TO waybill_readonly;
