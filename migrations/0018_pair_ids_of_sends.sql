-- A send record that names a message and a provider's id says that they are one
-- message. Each of the two ids remembers the other, so that a later record that
-- pairs either with a third is noticed, in whatever order they come. What old
-- code writes has no pair and contradicts nothing.
-- Locks: tenant_map, for a moment; the default is not written to its rows.
-- +goose Up
SET LOCAL lock_timeout = '5s';

ALTER TABLE tenant_map ADD COLUMN recorded_with text NOT NULL DEFAULT '';
