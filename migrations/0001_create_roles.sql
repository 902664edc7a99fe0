-- The roles that Waybill's processes log in as. None of them owns a table;
-- passwords are the operator's to set (ALTER ROLE ... PASSWORD ...). Roles
-- belong to the cluster, so a second database finds them there already. The
-- owner needs CREATEROLE for this step only, or the roles made beforehand.
-- Locks: none.
-- +goose Up
-- +goose StatementBegin
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['waybill_router', 'waybill_worker', 'waybill_operator', 'waybill_readonly'] LOOP
    -- Asked first: without CREATEROLE the server refuses before it looks.
    CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = role);
    BEGIN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END LOOP;
END
$$;
-- +goose StatementEnd
CREATE EXTENSION IF NOT EXISTS btree_gist;
-- Nobody makes temporary objects: a function of the owner could be led to them.
-- +goose StatementBegin
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;
-- +goose StatementEnd
GRANT USAGE ON SCHEMA public TO waybill_router, waybill_worker, waybill_operator, waybill_readonly;
-- The schema's version is checked by every process at its start.
GRANT SELECT ON goose_db_version TO waybill_router, waybill_worker, waybill_operator, waybill_readonly;
