-- The platform's own rows. Every key begins with the organisation, every
-- reference is composite, and row-level security compares one organisation:
-- the second wall behind the WHERE of each statement.
-- Locks: none, the tables are new.
-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE TABLE customers (
  org_id      uuid NOT NULL REFERENCES organizations (id),
  id          uuid NOT NULL,
  external_id text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, external_id)
);

CREATE TABLE consents (
  org_id     uuid NOT NULL REFERENCES organizations (id),
  channel    text NOT NULL,
  sender     text NOT NULL,
  address    text NOT NULL,
  opted_out  boolean NOT NULL,
  decided_at timestamptz NOT NULL,
  event_id   text NOT NULL,
  PRIMARY KEY (org_id, channel, sender, address)
);

CREATE TABLE sms_campaigns (
  org_id       uuid NOT NULL REFERENCES organizations (id),
  id           uuid NOT NULL,
  external_id  text,
  name         text NOT NULL DEFAULT '',
  created_at   timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, external_id)
);

CREATE TABLE email_campaigns (LIKE sms_campaigns INCLUDING ALL);
ALTER TABLE email_campaigns ADD FOREIGN KEY (org_id) REFERENCES organizations (id);

-- Messages by current status, and how many ever reached it. A shard belongs to
-- a lane of the organisation, so that one worker writes it. What is behind
-- published_version waits for the next snapshot.
CREATE TABLE campaign_counters (
  org_id            uuid NOT NULL,
  campaign_id       uuid NOT NULL,
  shard             smallint NOT NULL,
  status            text NOT NULL,
  medium            text NOT NULL CHECK (medium IN ('sms', 'email')),
  messages          bigint NOT NULL,
  reached           bigint NOT NULL,
  version           bigint NOT NULL,
  published_version bigint NOT NULL DEFAULT 0,
  sms_campaign_id   uuid GENERATED ALWAYS AS (CASE WHEN medium = 'sms' THEN campaign_id END) STORED,
  email_campaign_id uuid GENERATED ALWAYS AS (CASE WHEN medium = 'email' THEN campaign_id END) STORED,
  PRIMARY KEY (org_id, campaign_id, shard, status),
  FOREIGN KEY (org_id, sms_campaign_id) REFERENCES sms_campaigns (org_id, id),
  FOREIGN KEY (org_id, email_campaign_id) REFERENCES email_campaigns (org_id, id)
) WITH (fillfactor = 50);
CREATE INDEX campaign_counters_dirty ON campaign_counters (org_id, campaign_id) WHERE version > published_version;

CREATE TABLE sms_messages (
  org_id       uuid NOT NULL REFERENCES organizations (id),
  id           uuid NOT NULL,
  message_id   uuid,
  provider     text NOT NULL,
  provider_id  text,
  account      text NOT NULL DEFAULT '',
  channel      text NOT NULL CHECK (channel IN ('sms', 'whatsapp')),
  direction    text NOT NULL CHECK (direction IN ('outbound', 'inbound')),
  origin       text NOT NULL,
  from_address text NOT NULL DEFAULT '',
  to_address   text NOT NULL DEFAULT '',
  service      text NOT NULL DEFAULT '',
  body         text NOT NULL DEFAULT '',
  media        text[] NOT NULL DEFAULT '{}',
  campaign_id  uuid,
  customer_id  uuid,
  status       text NOT NULL,
  error_code   text NOT NULL DEFAULT '',
  version      bigint NOT NULL,
  reached      bigint NOT NULL,
  sent_at      timestamptz,
  occurred_at  timestamptz,
  received_at  timestamptz NOT NULL,
  last_at      timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, provider, provider_id),
  FOREIGN KEY (org_id, campaign_id) REFERENCES sms_campaigns (org_id, id),
  FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id) ON DELETE SET NULL (customer_id)
) WITH (fillfactor = 80);
CREATE INDEX sms_messages_campaign ON sms_messages (org_id, campaign_id) WHERE campaign_id IS NOT NULL;
CREATE INDEX sms_messages_message ON sms_messages (org_id, message_id) WHERE message_id IS NOT NULL;

-- +goose StatementBegin
DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['customers', 'consents', 'sms_campaigns', 'email_campaigns', 'campaign_counters', 'sms_messages'] LOOP
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
GRANT UPDATE (opted_out, decided_at, event_id) ON consents TO waybill_worker;
GRANT UPDATE (completed_at) ON sms_campaigns, email_campaigns TO waybill_worker;
GRANT UPDATE (messages, reached, version, published_version) ON campaign_counters TO waybill_worker;
GRANT UPDATE (message_id, provider, provider_id, account, channel, direction, origin, from_address, to_address, service, body, media, campaign_id, customer_id,
  status, error_code, version, reached, sent_at, occurred_at, received_at, last_at, updated_at) ON sms_messages TO waybill_worker;

-- The publisher of snapshots looks across organisations for what has changed,
-- and sees nothing but ids: what it then reads, it reads as that organisation.
-- +goose StatementBegin
CREATE FUNCTION dirty_campaigns(after_org uuid, after_campaign uuid, most integer) RETURNS TABLE (org_id uuid, campaign_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT DISTINCT c.org_id, c.campaign_id FROM campaign_counters c
  WHERE c.version > c.published_version AND (c.org_id, c.campaign_id) > (after_org, after_campaign)
  ORDER BY c.org_id, c.campaign_id LIMIT most
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION dirty_campaigns(uuid, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dirty_campaigns(uuid, uuid, integer) TO waybill_worker;
-- The function runs as the owner, whom FORCE holds to policies as well.
CREATE POLICY dirty_only ON campaign_counters FOR SELECT TO CURRENT_USER USING (version > published_version);
