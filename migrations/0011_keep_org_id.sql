-- The organisation of a row never changes, whoever writes: column grants keep
-- the services from it, this keeps the owner, a superuser and a restore from it
-- too. A row of tenant_map gets its organisation once. A held event's is what
-- is known so far, so held_events is left out.
-- Locks: each table against writers, for as long as its trigger is made.
-- +goose Up
SET LOCAL lock_timeout = '5s';

-- +goose StatementBegin
CREATE FUNCTION refuse_other_org() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'a row of % does not change its organisation', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Makes the organisation of a table's rows unchangeable. Every migration that
-- creates such a table calls it; partitions inherit the trigger. BEFORE, since
-- an update that moves a row to another partition fires nothing AFTER; ALWAYS,
-- since session_replication_role would switch it off.
CREATE FUNCTION keep_org_id(owned regclass) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER keep_org_id BEFORE UPDATE ON %s FOR EACH ROW
    WHEN (OLD.org_id IS NOT NULL AND OLD.org_id IS DISTINCT FROM NEW.org_id) EXECUTE FUNCTION refuse_other_org()', owned);
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER keep_org_id', owned);
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION refuse_other_org(), keep_org_id(regclass) FROM PUBLIC;

-- +goose StatementBegin
DO $$
DECLARE
  t regclass;
BEGIN
  FOR t IN
    SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attname = 'org_id' AND NOT a.attisdropped AND c.relname <> 'held_events'
    ORDER BY c.relname
  LOOP
    PERFORM keep_org_id(t);
  END LOOP;
END
$$;
-- +goose StatementEnd

-- A trigger fires whoever may execute its function; nobody calls it.
REVOKE ALL ON FUNCTION bump_config_version() FROM PUBLIC;
