-- What operators do to held events is kept, an event may be released to an
-- organisation that they name, and a key under which very many events wait is
-- released in chunks: one statement for all of them ran into its time limit.
-- Ready events are claimed in order of their ids: by their lease every claim
-- passed what was released before, as long as nobody had vacuumed it.
-- Vacuum follows a table that is filled and emptied within minutes: by its own
-- scale a million held events would have 200,000 dead rows before it began.
-- Locks: held_events against everybody, for as long as an index on what is ready
-- is built; held_keys and tenant_map against other migrations, organizations
-- against writers, for a moment.
-- +goose Up
SET LOCAL lock_timeout = '5s';

-- One row for each event that was acted on by itself or was quarantined, and
-- one for the others of a chunk of a bulk act, by state. Who it was stands in
-- columns that operators cannot write, and nobody can change a row.
CREATE TABLE held_acts (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  acted_at    timestamptz NOT NULL DEFAULT now(),
  operator    text NOT NULL DEFAULT session_user,
  application text NOT NULL DEFAULT current_setting('application_name'),
  os_user     text NOT NULL DEFAULT '',
  act         text NOT NULL CHECK (act IN ('release', 'replay', 'dismiss')),
  filter      jsonb NOT NULL,
  note        text NOT NULL DEFAULT '',
  event_id    text,
  events      integer NOT NULL DEFAULT 1,
  state       text NOT NULL,
  reason      text NOT NULL DEFAULT '',
  org_id      uuid REFERENCES organizations (id),
  CHECK (event_id IS NULL OR events = 1)
);
CREATE INDEX held_acts_event ON held_acts (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX held_acts_time ON held_acts (acted_at);

-- Whose a held event is, by an operator's word.
CREATE TABLE held_assignments (
  event_id    text PRIMARY KEY,
  org_id      uuid NOT NULL REFERENCES organizations (id),
  assigned_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER refuse_erased BEFORE INSERT ON held_assignments FOR EACH ROW EXECUTE FUNCTION refuse_erased_organization();

-- Keys that were recorded while very many events waited for them, and how far
-- these are released, by event id.
CREATE TABLE held_wakes (
  key      text PRIMARY KEY,
  done     text NOT NULL DEFAULT '',
  asked_at timestamptz NOT NULL DEFAULT now()
);

-- +goose StatementBegin
CREATE FUNCTION forget_assignments() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  DELETE FROM held_assignments WHERE org_id = NEW.id;
  RETURN NULL;
END
$$;

-- Forgets up to so many acts that are older than a time, never younger than a
-- year, and returns how many.
CREATE FUNCTION expire_held_acts(before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  n bigint;
BEGIN
  IF before > now() - interval '365 days' THEN
    RAISE EXCEPTION 'what is younger than 365 days is kept' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  DELETE FROM held_acts WHERE id = ANY(ARRAY(SELECT id FROM held_acts WHERE acted_at < before ORDER BY acted_at LIMIT most));
  GET DIAGNOSTICS n = ROW_COUNT;
  RETURN n;
END
$$;

-- Forgets assignments that are older than a time, of events that are not held
-- any more, and returns how many; never younger than a week.
CREATE FUNCTION expire_held_assignments(before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  n bigint;
BEGIN
  IF before > now() - interval '7 days' THEN
    RAISE EXCEPTION 'what is younger than 7 days is kept' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  DELETE FROM held_assignments WHERE event_id = ANY(ARRAY(
    SELECT a.event_id FROM held_assignments a WHERE a.assigned_at < before
      AND NOT EXISTS (SELECT FROM held_events h WHERE h.event_id = a.event_id) LIMIT most));
  GET DIAGNOSTICS n = ROW_COUNT;
  RETURN n;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER forget_assignments AFTER UPDATE OF erased_at ON organizations FOR EACH ROW
  WHEN (NEW.erased_at IS NOT NULL AND OLD.erased_at IS NULL) EXECUTE FUNCTION forget_assignments();

CREATE INDEX held_events_claim ON held_events (event_id) WHERE ready;
DROP INDEX held_events_ready;

ALTER TABLE held_events SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, vacuum_index_cleanup = on,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);
ALTER TABLE held_keys SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000, vacuum_index_cleanup = on,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
ALTER TABLE tenant_map SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 20000);
ALTER TABLE held_wakes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

GRANT SELECT ON held_acts, held_assignments TO waybill_operator, waybill_readonly;
GRANT INSERT (os_user, act, filter, note, event_id, events, state, reason, org_id) ON held_acts TO waybill_operator;
GRANT INSERT, UPDATE ON held_assignments TO waybill_operator;
GRANT SELECT ON held_assignments TO waybill_router;
GRANT SELECT, INSERT, UPDATE ON held_wakes TO waybill_operator;
GRANT SELECT, UPDATE, DELETE ON held_wakes TO waybill_router;
GRANT SELECT ON held_wakes TO waybill_readonly;
REVOKE ALL ON FUNCTION forget_assignments(), expire_held_acts(timestamptz, integer), expire_held_assignments(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expire_held_acts(timestamptz, integer), expire_held_assignments(timestamptz, integer) TO waybill_worker;
