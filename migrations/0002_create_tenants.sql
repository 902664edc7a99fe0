-- Organisations, and who may speak for them: accounts that sign, senders that
-- are written to, both over time. Secrets are kept sealed (AES-256-GCM); the
-- key is not in the database. Locks: none, the tables are new.
-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE TABLE organizations (
  id          uuid PRIMARY KEY,
  external_id text UNIQUE,
  name        text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);

-- A removed account keeps its row: what it signed before is still judged as of then.
CREATE TABLE accounts (
  id         uuid PRIMARY KEY,
  provider   text NOT NULL CHECK (provider IN ('twilio', 'sns', 'connect', 'stripe')),
  purpose    text NOT NULL DEFAULT '',
  name       text NOT NULL,
  platform   boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  removed_at timestamptz
);
CREATE UNIQUE INDEX accounts_live ON accounts (provider, purpose, name) WHERE removed_at IS NULL;
CREATE INDEX accounts_name ON accounts (provider, name);

CREATE TABLE account_tokens (
  id         uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts (id),
  algorithm  text NOT NULL DEFAULT '',
  sealed     bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  removed_at timestamptz
);
CREATE INDEX account_tokens_account ON account_tokens (account_id);

CREATE TABLE account_orgs (
  account_id uuid NOT NULL REFERENCES accounts (id),
  org_id     uuid NOT NULL REFERENCES organizations (id),
  valid      tstzrange NOT NULL CHECK (NOT isempty(valid)),
  PRIMARY KEY (account_id, org_id, valid),
  EXCLUDE USING gist (account_id WITH =, org_id WITH =, valid WITH &&)
);

CREATE SEQUENCE sender_slots;

-- Tenures of a sender do not overlap unless both are shared: an exclusive one
-- takes the whole range of slots, a shared one a slot of its own.
CREATE TABLE senders (
  id             uuid PRIMARY KEY,
  org_id         uuid NOT NULL REFERENCES organizations (id),
  kind           text NOT NULL CHECK (kind IN ('number', 'short_code', 'alphanumeric', 'whatsapp', 'messaging_service', 'email_identity')),
  value          text NOT NULL,
  shared         boolean NOT NULL DEFAULT false,
  slot           int8range NOT NULL,
  valid          tstzrange NOT NULL CHECK (NOT isempty(valid)),
  voice_redirect text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  CHECK (shared OR slot = int8range(NULL, NULL)),
  EXCLUDE USING gist (value WITH =, valid WITH &&, slot WITH &&),
  EXCLUDE USING gist (value WITH =, org_id WITH =, valid WITH &&)
);

-- One row that every change of accounts and senders bumps, so that the router
-- learns of a change by reading one row.
CREATE TABLE config_version (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version  bigint NOT NULL
);
INSERT INTO config_version (version) VALUES (1);

-- +goose StatementBegin
CREATE FUNCTION bump_config_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE config_version SET version = version + 1;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER accounts_changed AFTER INSERT OR UPDATE OR DELETE ON accounts
  FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();
CREATE TRIGGER account_tokens_changed AFTER INSERT OR UPDATE OR DELETE ON account_tokens
  FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();
CREATE TRIGGER senders_changed AFTER INSERT OR UPDATE OR DELETE ON senders
  FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();

GRANT SELECT ON organizations, accounts, account_orgs, senders TO waybill_router, waybill_operator, waybill_readonly;
GRANT SELECT ON organizations TO waybill_worker;
GRANT SELECT ON account_tokens, config_version TO waybill_router, waybill_operator;
-- Which tokens there are, without the tokens.
GRANT SELECT (id, account_id, algorithm, created_at, removed_at) ON account_tokens TO waybill_readonly;
GRANT INSERT ON organizations, accounts, account_tokens, account_orgs, senders TO waybill_operator;
GRANT UPDATE (removed_at, platform) ON accounts TO waybill_operator;
GRANT UPDATE (removed_at) ON account_tokens TO waybill_operator;
GRANT UPDATE (valid) ON account_orgs TO waybill_operator;
GRANT UPDATE (valid, voice_redirect) ON senders TO waybill_operator;
GRANT USAGE ON SEQUENCE sender_slots TO waybill_operator;
