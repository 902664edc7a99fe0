-- An account that is removed while a move of it lies ahead must not begin to sign
-- for the other organisation: the operator takes that entitlement away again.
-- Locks: account_orgs, for a moment.
-- +goose Up
SET LOCAL lock_timeout = '5s';

GRANT DELETE ON account_orgs TO waybill_operator;
