-- What was applied: the position of every partition, one row per event that
-- has its final outcome (global, no personal data), repeats apart, and the
-- organisation's timeline by day, from which a status event can be rebuilt.
-- Locks: none, the tables are new.
-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE TABLE applied_offsets (
  group_name  text NOT NULL,
  topic       text NOT NULL,
  partition   integer NOT NULL,
  next_offset bigint NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (group_name, topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE event_ids (
  event_id   text NOT NULL,
  receipt_id uuid NOT NULL,
  org_id     uuid,
  outcome    text NOT NULL CHECK (outcome IN ('applied', 'stale', 'ignored')),
  applied_at timestamptz NOT NULL,
  PRIMARY KEY (event_id)
) PARTITION BY HASH (event_id);
-- +goose StatementBegin
DO $$
BEGIN
  FOR i IN 0..15 LOOP
    EXECUTE format('CREATE TABLE event_ids_%s PARTITION OF event_ids FOR VALUES WITH (MODULUS 16, REMAINDER %s)', lpad(i::text, 2, '0'), i);
  END LOOP;
END
$$;
-- +goose StatementEnd

CREATE TABLE event_duplicates (
  event_id    text NOT NULL,
  receipt_id  uuid NOT NULL,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (event_id, receipt_id)
);

CREATE TABLE events (
  org_id        uuid NOT NULL,
  event_id      text NOT NULL,
  applied_at    timestamptz NOT NULL,
  receipt_id    uuid NOT NULL,
  resource      text NOT NULL CHECK (resource IN ('sms_message', 'email_message', 'call')),
  row_id        uuid NOT NULL,
  provider      text NOT NULL,
  kind          text NOT NULL,
  outcome       text NOT NULL CHECK (outcome IN ('applied', 'stale', 'ignored')),
  reason        text NOT NULL DEFAULT '',
  event_status  text NOT NULL DEFAULT '',
  event_error   text NOT NULL DEFAULT '',
  occurred_at   timestamptz,
  received_at   timestamptz NOT NULL,
  raw_topic     text NOT NULL,
  raw_partition integer NOT NULL,
  raw_offset    bigint NOT NULL,
  resolved_by   text NOT NULL DEFAULT '',
  version       bigint, -- set for an accepted transition, with the row's state behind it:
  status        text,
  error_code    text,
  PRIMARY KEY (org_id, event_id, applied_at)
) PARTITION BY RANGE (applied_at);
CREATE INDEX events_row ON events (org_id, row_id, applied_at);
-- Catches what no day's partition takes, so that a late clean-up never stops the workers.
CREATE TABLE events_other PARTITION OF events DEFAULT;

-- +goose StatementBegin
-- Makes the timeline's partitions from today (UTC) for so many days ahead.
CREATE FUNCTION make_event_days(days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  d date := (now() AT TIME ZONE 'UTC')::date;
  name text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('waybill.make_event_days'));
  FOR i IN 0..days LOOP
    name := 'events_' || to_char(d + i, 'YYYYMMDD');
    IF to_regclass(name) IS NULL THEN
      BEGIN
        EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
          name, (d + i)::text || ' 00:00:00+00', (d + i + 1)::text || ' 00:00:00+00');
      EXCEPTION WHEN check_violation THEN
        -- Rows of that day are in events_other already, where they may stay.
        RAISE WARNING 'the day % of the timeline stays in events_other', d + i;
        CONTINUE;
      END;
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
      EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
      made := made + 1;
    END IF;
  END LOOP;
  RETURN made;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION make_event_days(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_event_days(integer) TO waybill_worker;
SELECT make_event_days(7);

ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
ALTER TABLE events_other ENABLE ROW LEVEL SECURITY;
ALTER TABLE events_other FORCE ROW LEVEL SECURITY;
CREATE POLICY one_org ON events TO waybill_worker
  USING (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))
  WITH CHECK (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid));
CREATE POLICY all_orgs ON events FOR SELECT TO waybill_operator, waybill_readonly USING (true);

GRANT SELECT, INSERT, UPDATE ON applied_offsets TO waybill_router, waybill_worker;
GRANT SELECT, INSERT ON event_ids, event_duplicates TO waybill_router, waybill_worker;
GRANT SELECT, INSERT ON events TO waybill_worker;
GRANT SELECT ON applied_offsets, event_ids, event_duplicates, events TO waybill_operator, waybill_readonly;
-- A dismissed event gets its final outcome from the operator.
GRANT INSERT ON event_ids, event_duplicates TO waybill_operator;
