-- What Stripe charges for beside subscriptions: invoices, charges and checkout
-- sessions, merged by the same rule. Global, as subscriptions are.
-- Locks: none, the table is new.
-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE TABLE billing_objects (
  mode       text NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('invoice', 'charge', 'checkout_session')),
  id         text NOT NULL,
  customer   text NOT NULL DEFAULT '',
  status     text NOT NULL,
  newest     timestamptz NOT NULL,
  latest     jsonb NOT NULL,
  version    bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (mode, kind, id)
);
CREATE INDEX billing_objects_id ON billing_objects (id);
CREATE INDEX billing_objects_customer ON billing_objects (customer);

GRANT SELECT, INSERT, UPDATE ON billing_objects TO waybill_worker;
GRANT SELECT ON billing_objects TO waybill_operator, waybill_readonly;
