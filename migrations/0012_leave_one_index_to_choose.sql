-- Every statement of the workers names a row by its whole primary key. While a
-- table is small all of its indexes that begin with the organisation look alike
-- to the planner, and a plan that picked another one reads all of the
-- organisation's rows for each key, for as long as it is kept: a campaign in a
-- new database ran into the statement's time limit. So the primary key is the
-- only index that is not partial: no other can be picked for a key.
-- Locks: the tables, for as long as their indexes are built.
-- +goose Up
SET LOCAL lock_timeout = '5s';

ALTER TABLE sms_messages DROP CONSTRAINT sms_messages_org_id_provider_provider_id_key;
CREATE UNIQUE INDEX sms_messages_provider ON sms_messages (org_id, provider, provider_id) WHERE provider_id IS NOT NULL;

ALTER TABLE customers DROP CONSTRAINT customers_org_id_external_id_key;
CREATE UNIQUE INDEX customers_external ON customers (org_id, external_id) WHERE external_id IS NOT NULL;
ALTER TABLE sms_campaigns DROP CONSTRAINT sms_campaigns_org_id_external_id_key;
CREATE UNIQUE INDEX sms_campaigns_external ON sms_campaigns (org_id, external_id) WHERE external_id IS NOT NULL;
ALTER TABLE email_campaigns DROP CONSTRAINT email_campaigns_org_id_external_id_key;
CREATE UNIQUE INDEX email_campaigns_external ON email_campaigns (org_id, external_id) WHERE external_id IS NOT NULL;

DROP INDEX events_row;
CREATE INDEX events_row ON events (org_id, row_id, applied_at) WHERE row_id IS NOT NULL;
