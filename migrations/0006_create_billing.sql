-- Billing is global: Stripe knows no organisations. The payload is kept, so
-- that a type which is ignored today can be applied tomorrow.
-- Locks: none, the tables are new.
-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE TABLE subscriptions (
  mode       text NOT NULL,
  id         text NOT NULL,
  customer   text NOT NULL DEFAULT '',
  status     text NOT NULL,
  newest     timestamptz NOT NULL,
  latest     jsonb NOT NULL,
  version    bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (mode, id)
);

CREATE TABLE billing_events (
  event_id      text PRIMARY KEY,
  stripe_id     text NOT NULL,
  mode          text NOT NULL,
  type          text NOT NULL,
  api_version   text NOT NULL DEFAULT '',
  object_id     text NOT NULL DEFAULT '',
  account       text NOT NULL DEFAULT '',
  outcome       text NOT NULL CHECK (outcome IN ('applied', 'stale', 'ignored')),
  status        text NOT NULL DEFAULT '',
  receipt_id    uuid NOT NULL,
  created       timestamptz NOT NULL,
  received_at   timestamptz NOT NULL,
  applied_at    timestamptz NOT NULL,
  raw_topic     text NOT NULL,
  raw_partition integer NOT NULL,
  raw_offset    bigint NOT NULL,
  payload       bytea NOT NULL
);
CREATE INDEX billing_events_stripe ON billing_events (stripe_id);
CREATE INDEX billing_events_object ON billing_events (object_id, applied_at);

GRANT SELECT, INSERT, UPDATE ON subscriptions TO waybill_worker;
GRANT SELECT, INSERT ON billing_events TO waybill_worker;
GRANT SELECT ON subscriptions, billing_events TO waybill_operator, waybill_readonly;
