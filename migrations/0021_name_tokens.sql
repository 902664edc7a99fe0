-- Tokens get the name under which a request asks for them, and the time at which
-- one was last seen to sign. A token that is sealed anew is written over.
-- Routers write the time of use, so it must not count as a change of the
-- configuration: the config topic would be compared each time.
-- Locks: account_tokens, for a moment.
-- +goose Up
SET LOCAL lock_timeout = '5s';

ALTER TABLE account_tokens
  ADD COLUMN name text NOT NULL DEFAULT '',
  ADD COLUMN last_used_at timestamptz;

DROP TRIGGER account_tokens_changed ON account_tokens;
CREATE TRIGGER account_tokens_changed
  AFTER INSERT OR DELETE OR UPDATE OF id, account_id, algorithm, sealed, created_at, removed_at, name ON account_tokens
  FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();

GRANT SELECT (name, last_used_at) ON account_tokens TO waybill_readonly;
GRANT UPDATE (last_used_at) ON account_tokens TO waybill_router;
GRANT UPDATE (sealed) ON account_tokens TO waybill_operator;
