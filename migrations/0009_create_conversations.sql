-- Who wrote last to whom from a sender that organisations share: whoever did is
-- answered by what that person writes. Routing, so by grants only. An event that
-- waits for a conversation waits under a key of tenant_map, as for everything.
-- Rows are written by the router alone, and only for shared senders.
-- Locks: none, the table is new.
-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE TABLE conversations (
  sender           text NOT NULL,
  person           text NOT NULL,
  org_id           uuid NOT NULL REFERENCES organizations (id),
  last_outbound_at timestamptz NOT NULL,
  PRIMARY KEY (sender, person, org_id)
);
-- For expiry: what nobody answers for long enough can go.
CREATE INDEX conversations_last ON conversations (last_outbound_at);

GRANT SELECT, INSERT ON conversations TO waybill_router;
GRANT UPDATE (last_outbound_at) ON conversations TO waybill_router;
GRANT SELECT ON conversations TO waybill_operator, waybill_readonly;
