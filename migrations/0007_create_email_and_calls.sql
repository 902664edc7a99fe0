-- E-mails with their recipients, and calls with their recordings. Every key
-- begins with the organisation, every reference is composite, and row-level
-- security compares one organisation, as in 0005. The primary key is the only
-- index that is not partial; 0012 says why. Campaigns may call now.
-- Locks: events and campaign_counters for as long as their rows are read once
-- to check the wider constraints; the other tables are new.
-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE TABLE voice_campaigns (LIKE sms_campaigns INCLUDING ALL EXCLUDING INDEXES, PRIMARY KEY (org_id, id));
CREATE UNIQUE INDEX voice_campaigns_external ON voice_campaigns (org_id, external_id) WHERE external_id IS NOT NULL;
ALTER TABLE voice_campaigns ADD FOREIGN KEY (org_id) REFERENCES organizations (id);

-- own_status and own_error are what was said of the e-mail as a whole; status
-- and error_code follow from them and the recipients.
CREATE TABLE email_messages (
  org_id       uuid NOT NULL REFERENCES organizations (id),
  id           uuid NOT NULL,
  message_id   uuid,
  provider     text NOT NULL,
  provider_id  text,
  account      text NOT NULL DEFAULT '',
  origin       text NOT NULL,
  from_address text NOT NULL DEFAULT '',
  campaign_id  uuid,
  customer_id  uuid,
  own_status   text NOT NULL DEFAULT '',
  own_error    text NOT NULL DEFAULT '',
  status       text NOT NULL,
  error_code   text NOT NULL DEFAULT '',
  version      bigint NOT NULL,
  reached      bigint NOT NULL,
  facts        jsonb NOT NULL DEFAULT '{}',
  sent_at      timestamptz,
  occurred_at  timestamptz,
  received_at  timestamptz NOT NULL,
  last_at      timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, campaign_id) REFERENCES email_campaigns (org_id, id),
  FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id) ON DELETE SET NULL (customer_id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX email_messages_provider ON email_messages (org_id, provider, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX email_messages_campaign ON email_messages (org_id, campaign_id) WHERE campaign_id IS NOT NULL;
CREATE INDEX email_messages_message ON email_messages (org_id, message_id) WHERE message_id IS NOT NULL;

-- The id is what status events call the recipient. It is random: one made from
-- the address could be found again by trying addresses.
CREATE TABLE email_recipients (
  org_id     uuid NOT NULL REFERENCES organizations (id),
  email_id   uuid NOT NULL,
  address    text NOT NULL,
  id         uuid NOT NULL,
  status     text NOT NULL,
  error_code text NOT NULL DEFAULT '',
  PRIMARY KEY (org_id, email_id, address),
  FOREIGN KEY (org_id, email_id) REFERENCES email_messages (org_id, id) ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE INDEX email_recipients_address ON email_recipients (org_id, address) WHERE address <> '';

-- reported has a bit for every status that was ever reported; status follows from it.
CREATE TABLE calls (
  org_id       uuid NOT NULL REFERENCES organizations (id),
  id           uuid NOT NULL,
  message_id   uuid,
  provider     text NOT NULL,
  provider_id  text,
  parent_id    text NOT NULL DEFAULT '',
  account      text NOT NULL DEFAULT '',
  direction    text NOT NULL CHECK (direction IN ('outbound', 'inbound')),
  origin       text NOT NULL,
  from_address text NOT NULL DEFAULT '',
  to_address   text NOT NULL DEFAULT '',
  campaign_id  uuid,
  customer_id  uuid,
  status       text NOT NULL,
  error_code   text NOT NULL DEFAULT '',
  version      bigint NOT NULL,
  reported     bigint NOT NULL,
  facts        jsonb NOT NULL DEFAULT '{}',
  sent_at      timestamptz,
  occurred_at  timestamptz,
  received_at  timestamptz NOT NULL,
  last_at      timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, campaign_id) REFERENCES voice_campaigns (org_id, id),
  FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id) ON DELETE SET NULL (customer_id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX calls_provider ON calls (org_id, provider, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX calls_campaign ON calls (org_id, campaign_id) WHERE campaign_id IS NOT NULL;
CREATE INDEX calls_message ON calls (org_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX calls_parent ON calls (org_id, parent_id) WHERE parent_id <> '';

CREATE TABLE call_recordings (
  org_id           uuid NOT NULL REFERENCES organizations (id),
  id               uuid NOT NULL,
  call_id          uuid NOT NULL,
  provider         text NOT NULL,
  provider_id      text NOT NULL,
  status           text NOT NULL,
  error_code       text NOT NULL DEFAULT '',
  duration_seconds bigint NOT NULL DEFAULT 0,
  channels         integer NOT NULL DEFAULT 0,
  source           text NOT NULL DEFAULT '',
  track            text NOT NULL DEFAULT '',
  location         text NOT NULL DEFAULT '',
  started_at       timestamptz,
  received_at      timestamptz NOT NULL,
  last_at          timestamptz NOT NULL,
  PRIMARY KEY (org_id, call_id, id),
  FOREIGN KEY (org_id, call_id) REFERENCES calls (org_id, id) ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX call_recordings_provider ON call_recordings (org_id, provider, provider_id) WHERE provider_id <> '';

-- +goose StatementBegin
DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['voice_campaigns', 'email_messages', 'email_recipients', 'calls', 'call_recordings'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format($p$CREATE POLICY one_org ON %I TO waybill_worker
      USING (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))
      WITH CHECK (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))$p$, t);
    EXECUTE format('CREATE POLICY all_orgs ON %I FOR SELECT TO waybill_operator, waybill_readonly USING (true)', t);
    EXECUTE format('GRANT SELECT ON %I TO waybill_operator, waybill_readonly', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO waybill_worker', t);
  END LOOP;
END
$$;
-- +goose StatementEnd

-- Only the columns that merging changes: the organisation of a row never moves.
GRANT UPDATE (completed_at) ON voice_campaigns TO waybill_worker;
GRANT UPDATE (message_id, provider, provider_id, account, origin, from_address, campaign_id, customer_id, own_status, own_error,
  status, error_code, version, reached, facts, sent_at, occurred_at, received_at, last_at, updated_at) ON email_messages TO waybill_worker;
GRANT UPDATE (status, error_code) ON email_recipients TO waybill_worker;
GRANT UPDATE (message_id, provider, provider_id, parent_id, account, direction, origin, from_address, to_address, campaign_id, customer_id,
  status, error_code, version, reported, facts, sent_at, occurred_at, received_at, last_at, updated_at) ON calls TO waybill_worker;
GRANT UPDATE (status, error_code, duration_seconds, channels, source, track, location, started_at, received_at, last_at) ON call_recordings TO waybill_worker;

-- An opt-out at a shared sender is an event without a row. What a status event
-- said beside the row's state must be known when it is published again: detail
-- keeps the recipients, lacks a bit for each id that was not known at the time.
-- sequence is a call's own order of events.
ALTER TABLE events DROP CONSTRAINT events_resource_check;
ALTER TABLE events ADD CONSTRAINT events_resource_check CHECK (resource IN ('sms_message', 'email_message', 'call', 'consent'));
ALTER TABLE events ADD COLUMN detail jsonb, ADD COLUMN lacks smallint NOT NULL DEFAULT 0, ADD COLUMN sequence integer;

ALTER TABLE campaign_counters DROP CONSTRAINT campaign_counters_medium_check;
ALTER TABLE campaign_counters ADD CONSTRAINT campaign_counters_medium_check CHECK (medium IN ('sms', 'email', 'voice'));
ALTER TABLE campaign_counters
  ADD COLUMN voice_campaign_id uuid GENERATED ALWAYS AS (CASE WHEN medium = 'voice' THEN campaign_id END) STORED,
  ADD FOREIGN KEY (org_id, voice_campaign_id) REFERENCES voice_campaigns (org_id, id);

-- What events can be about, whatever its kind, for those who ask by id. Whoever
-- reads it needs the rights and policies of the tables.
CREATE VIEW resources WITH (security_invoker = true) AS
  SELECT 'sms_message' AS kind, org_id, id, message_id, provider, provider_id, account, channel, direction, origin,
    from_address, to_address, service, campaign_id, customer_id, status, error_code, version, reached, '{}'::jsonb AS facts,
    sent_at, occurred_at, received_at, last_at, updated_at FROM sms_messages
  UNION ALL
  SELECT 'email_message', org_id, id, message_id, provider, provider_id, account, 'email', 'outbound', origin,
    from_address, '', '', campaign_id, customer_id, status, error_code, version, reached, facts,
    sent_at, occurred_at, received_at, last_at, updated_at FROM email_messages
  UNION ALL
  SELECT 'call', org_id, id, message_id, provider, provider_id, account, 'voice', direction, origin,
    from_address, to_address, '', campaign_id, customer_id, status, error_code, version, reported, facts,
    sent_at, occurred_at, received_at, last_at, updated_at FROM calls;
GRANT SELECT ON resources TO waybill_operator, waybill_readonly;
