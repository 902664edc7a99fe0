-- Who wrote last to whom from a sender that organisations share: whoever did is
-- answered by what that person writes. And what each person asked last of such a
-- sender, STOP or START, for organisations whose send is recorded later. Routing,
-- so by grants only. The lock of both is the conversation's key in tenant_map.
-- Rows are written by the router alone, and only for shared senders.
-- Locks: consents, for as long as an index is built; the tables are new.
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

CREATE TABLE sender_requests (
  sender      text NOT NULL,
  person      text NOT NULL,
  received_at timestamptz NOT NULL,
  opted_out   boolean NOT NULL,
  event_id    text NOT NULL,
  event       jsonb NOT NULL, -- what an organisation is told of it, without its ids
  PRIMARY KEY (sender, person)
);

GRANT SELECT, INSERT ON conversations, sender_requests TO waybill_router;
GRANT UPDATE (last_outbound_at) ON conversations TO waybill_router;
GRANT UPDATE (received_at, opted_out, event_id, event) ON sender_requests TO waybill_router;
GRANT SELECT ON conversations, sender_requests TO waybill_operator, waybill_readonly;

-- "Is this person opted out?" is asked by address.
CREATE INDEX consents_address ON consents (org_id, address) WHERE address <> '';
