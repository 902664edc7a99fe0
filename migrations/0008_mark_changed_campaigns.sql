-- How the publisher of campaign snapshots learns what changed. Until now a
-- counter row carried the version that was published last, under a partial
-- index that every change of a counter had to touch. Now a batch leaves a mark
-- per campaign and shard, which the publisher takes away. The old columns and
-- function stay for workers of the version before.
--
-- campaign_open counts a campaign's open messages by the hour since when they
-- are known: what is overdue is a sum over a few rows.
-- Locks: campaign_counters for a moment, sms_messages for as long as it is read
-- once; the other tables are new.
-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE TABLE campaign_changes (
  org_id      uuid NOT NULL REFERENCES organizations (id),
  campaign_id uuid NOT NULL,
  shard       smallint NOT NULL,
  changed_by  xid8 NOT NULL, -- the last transaction that changed a counter of the shard
  PRIMARY KEY (org_id, campaign_id, shard)
) WITH (fillfactor = 50);

CREATE TABLE campaign_open (
  org_id      uuid NOT NULL REFERENCES organizations (id),
  campaign_id uuid NOT NULL,
  shard       smallint NOT NULL,
  hour        timestamptz NOT NULL,
  messages    bigint NOT NULL,
  PRIMARY KEY (org_id, campaign_id, shard, hour)
) WITH (fillfactor = 50);

-- What is open at this moment. The statuses are those that were terminal when
-- this was written; from here on the workers count. FORCE would hide the rows
-- from an owner that is no superuser.
ALTER TABLE sms_messages NO FORCE ROW LEVEL SECURITY;
INSERT INTO campaign_open (org_id, campaign_id, shard, hour, messages)
SELECT org_id, campaign_id, 0, date_trunc('hour', received_at, 'UTC'), count(*) FROM sms_messages
WHERE campaign_id IS NOT NULL AND status NOT IN ('canceled', 'failed', 'undelivered', 'delivered', 'read', 'received')
GROUP BY 1, 2, 4;
ALTER TABLE sms_messages FORCE ROW LEVEL SECURITY;

CREATE TABLE campaign_snapshots (
  org_id       uuid NOT NULL REFERENCES organizations (id),
  campaign_id  uuid NOT NULL,
  version      bigint NOT NULL, -- that was published last
  published_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, campaign_id)
) WITH (fillfactor = 80);

-- +goose StatementBegin
DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['campaign_changes', 'campaign_open', 'campaign_snapshots'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format($p$CREATE POLICY one_org ON %I TO waybill_worker
      USING (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))
      WITH CHECK (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))$p$, t);
    EXECUTE format('CREATE POLICY all_orgs ON %I FOR SELECT TO waybill_operator, waybill_readonly USING (true)', t);
    -- For the functions below, which run as the owner.
    EXECUTE format('CREATE POLICY publisher ON %I FOR SELECT TO CURRENT_USER USING (true)', t);
    EXECUTE format('GRANT SELECT ON %I TO waybill_operator, waybill_readonly', t);
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON %I TO waybill_worker', t);
  END LOOP;
END
$$;
-- +goose StatementEnd
GRANT UPDATE (changed_by) ON campaign_changes TO waybill_worker;
GRANT UPDATE (messages) ON campaign_open TO waybill_worker;
GRANT UPDATE (version, published_at) ON campaign_snapshots TO waybill_worker;

CREATE POLICY publisher ON campaign_counters FOR SELECT TO CURRENT_USER USING (true);
DROP INDEX campaign_counters_dirty;

-- The publisher looks across organisations for what changed, and sees nothing
-- but ids: what it then reads, it reads as that organisation.
CREATE FUNCTION changed_campaigns(after_org uuid, after_campaign uuid, most integer) RETURNS TABLE (org_id uuid, campaign_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT DISTINCT c.org_id, c.campaign_id FROM campaign_changes c
  WHERE (c.org_id, c.campaign_id) > (after_org, after_campaign)
  ORDER BY c.org_id, c.campaign_id LIMIT most
$$;
-- Campaigns with messages that are open since an hour in (after, until].
CREATE FUNCTION late_campaigns(after timestamptz, until timestamptz) RETURNS TABLE (org_id uuid, campaign_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.org_id, o.campaign_id FROM campaign_open o
  WHERE o.hour > after AND o.hour <= until
  GROUP BY 1, 2 HAVING sum(o.messages) > 0 ORDER BY 1, 2
$$;
-- Campaigns whose counters are not what was published last: changed by workers
-- of the version before, or in a database that was restored.
CREATE FUNCTION unpublished_campaigns() RETURNS TABLE (org_id uuid, campaign_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT c.org_id, c.campaign_id FROM campaign_counters c LEFT JOIN campaign_snapshots s USING (org_id, campaign_id)
  GROUP BY 1, 2 HAVING sum(c.version) IS DISTINCT FROM max(s.version) ORDER BY 1, 2
$$;
REVOKE ALL ON FUNCTION changed_campaigns(uuid, uuid, integer), late_campaigns(timestamptz, timestamptz), unpublished_campaigns() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION changed_campaigns(uuid, uuid, integer), late_campaigns(timestamptz, timestamptz), unpublished_campaigns() TO waybill_worker;
