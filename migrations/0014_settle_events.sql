-- Held events say what disagreed, when they were set ready, and when they are
-- tried again by themselves: a status event without a send record makes its row
-- after WAYBILL_ADOPT_AFTER. What a signer's parked events take is bounded, so
-- they are counted by signer. A change of whom accounts sign for is noticed by
-- routers although nothing else of the account changes.
-- Locks: held_events, for as long as two indexes over its rows are built.
-- +goose Up
SET LOCAL lock_timeout = '5s';

ALTER TABLE held_events
  ADD COLUMN detail   text NOT NULL DEFAULT '',
  ADD COLUMN ready_at timestamptz;

CREATE INDEX held_events_retry ON held_events (retry_at) WHERE retry_at IS NOT NULL;
CREATE INDEX held_events_kept ON held_events (provider, signer) WHERE record IS NOT NULL AND state = 'parked';

GRANT UPDATE (ready_at) ON held_events TO waybill_operator;

CREATE TRIGGER account_orgs_changed AFTER INSERT OR UPDATE OR DELETE ON account_orgs
  FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();

-- The last time at which an organisation wrote does not tell whom an answer
-- concerns that is decided after the next one. A router of the version before
-- writes the last alone; readers take both.
ALTER TABLE conversations ADD COLUMN outbound_at timestamptz[] NOT NULL DEFAULT '{}';
GRANT UPDATE (outbound_at) ON conversations TO waybill_router;
