-- Run once by psql, as the superuser, when the container's data folder is new:
-- the database's owner and the roles that Waybill's processes log in as, each
-- with its password. Migrations find the roles and only grant; so their owner
-- may make no roles, and no process can give itself another's.
-- Later changes are ALTER ROLE ... PASSWORD by hand: this file is not run again.
\getenv owner DB_OWNER_PASSWORD
\getenv router DB_ROUTER_PASSWORD
\getenv worker DB_WORKER_PASSWORD
\getenv operator DB_OPERATOR_PASSWORD
\getenv readonly DB_READONLY_PASSWORD

-- A statement that failed would be logged with its password.
SET log_min_error_statement = panic;

CREATE ROLE waybill_owner LOGIN PASSWORD :'owner';
CREATE ROLE waybill_router LOGIN PASSWORD :'router';
CREATE ROLE waybill_worker LOGIN PASSWORD :'worker';
CREATE ROLE waybill_operator LOGIN PASSWORD :'operator';
CREATE ROLE waybill_readonly LOGIN PASSWORD :'readonly';

ALTER DATABASE waybill OWNER TO waybill_owner;

-- Rows are found by their keys: large statistics only cost autovacuum time.
ALTER DATABASE waybill SET default_statistics_target = 10;
