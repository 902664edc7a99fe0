-- What operators enter: organisations, accounts that sign, senders.

-- name: InsertOrg :one
-- InsertOrg makes an organisation; no row comes back when its id or external id is taken.
INSERT INTO organizations (id, external_id, name) VALUES (@id, @external_id, @name)
ON CONFLICT DO NOTHING
RETURNING id, external_id, name, created_at, erased_at;

-- name: ListOrgs :many
-- ListOrgs returns every organisation, the oldest first.
SELECT id, external_id, name, created_at, erased_at FROM organizations ORDER BY created_at, id;

-- name: TouchKey :exec
-- TouchKey makes sure that a key has a row in the map and locks that row, so
-- that nobody parks an event for the key unseen.
INSERT INTO tenant_map (key) VALUES (@key) ON CONFLICT (key) DO UPDATE SET recorded_at = now();

-- name: ReleaseKey :one
-- ReleaseKey sets ready the first events that are held for a key. It returns
-- how many that were, how many it looked at, and the last of these.
WITH first AS (SELECT k.event_id FROM held_keys k WHERE k.key = @key ORDER BY k.event_id LIMIT @most),
  freed AS (UPDATE held_events SET ready = true, ready_at = now(), retry_at = NULL WHERE NOT ready AND event_id = ANY(ARRAY(SELECT f.event_id FROM first f)) RETURNING event_id)
SELECT (SELECT count(*) FROM freed) AS ready, (SELECT count(*) FROM first) AS looked, coalesce((SELECT max(f.event_id) FROM first f), '')::text AS done;

-- name: WakeKey :exec
-- WakeKey has a router set ready the rest of what is held for a key, behind an
-- event id.
INSERT INTO held_wakes (key, done) VALUES (@key, @done) ON CONFLICT (key) DO UPDATE SET done = excluded.done, asked_at = excluded.asked_at;

-- name: CountOfKey :one
-- CountOfKey returns how many events are held for a key.
SELECT count(*) FROM held_keys WHERE key = @key;

-- name: InsertAccount :exec
-- InsertAccount makes an account unless a live one has that name.
INSERT INTO accounts (id, provider, purpose, name) VALUES (@id, @provider, @purpose, @name)
ON CONFLICT (provider, purpose, name) WHERE removed_at IS NULL DO NOTHING;

-- name: WidenAccount :one
-- WidenAccount returns a live account's id and makes it the platform's if
-- asked to. It writes in any case: a change of accounts is what routers notice.
UPDATE accounts SET platform = platform OR @platform::boolean
WHERE provider = @provider AND purpose = @purpose AND name = @name AND removed_at IS NULL
RETURNING id;

-- name: InsertToken :exec
-- InsertToken adds one sealed token to an account.
INSERT INTO account_tokens (id, account_id, name, algorithm, sealed) VALUES (@id, @account_id, @name, @algorithm, @sealed);

-- name: ListTokens :many
-- ListTokens returns the live sealed tokens of a live account.
SELECT t.id, t.name, t.algorithm, t.sealed FROM account_tokens t JOIN accounts a ON a.id = t.account_id
WHERE a.provider = @provider AND a.purpose = @purpose AND a.name = @name AND a.removed_at IS NULL AND t.removed_at IS NULL
ORDER BY t.created_at, t.id;

-- name: TokensBehind :many
-- TokensBehind returns and locks the live sealed tokens behind an id, in the
-- order of ids, with whose they are.
SELECT t.id, t.name, t.sealed, a.provider, a.name AS account FROM account_tokens t JOIN accounts a ON a.id = t.account_id
WHERE t.removed_at IS NULL AND t.id > @after ORDER BY t.id LIMIT @most FOR UPDATE OF t;

-- name: ResealToken :exec
-- ResealToken writes what a token is sealed as.
UPDATE account_tokens SET sealed = @sealed WHERE id = @id;

-- name: EntitleOrg :exec
-- EntitleOrg lets an account sign for an organisation: from the beginning if an
-- account of that name and purpose never did, else from now. An entitlement that
-- has not ended stays as it is, also one that a move ends or begins later.
INSERT INTO account_orgs (account_id, org_id, valid)
SELECT @account_id::uuid, @org_id::uuid, tstzrange(CASE WHEN EXISTS (
    SELECT 1 FROM account_orgs o JOIN accounts a ON a.id = o.account_id
    WHERE a.provider = @provider AND a.purpose = @purpose AND a.name = @name AND o.org_id = @org_id::uuid) THEN now() END, NULL)
WHERE NOT EXISTS (
  SELECT 1 FROM account_orgs o WHERE o.account_id = @account_id::uuid AND o.org_id = @org_id::uuid AND (upper_inf(o.valid) OR upper(o.valid) > now()));

-- name: ListAccounts :many
-- ListAccounts returns the live accounts.
SELECT id, provider, purpose, name, platform, created_at FROM accounts
WHERE removed_at IS NULL ORDER BY provider, purpose, name;

-- name: ListTokenAges :many
-- ListTokenAges returns which live tokens there are, without the tokens.
SELECT t.account_id, t.id, t.name, t.algorithm, t.created_at, t.last_used_at FROM account_tokens t JOIN accounts a ON a.id = t.account_id
WHERE a.removed_at IS NULL AND t.removed_at IS NULL ORDER BY t.created_at, t.id;

-- name: ListEntitlements :many
-- ListEntitlements returns for whom live accounts sign, and since when.
SELECT o.account_id, o.org_id, o.valid FROM account_orgs o JOIN accounts a ON a.id = o.account_id
WHERE a.removed_at IS NULL ORDER BY o.account_id, o.org_id, o.valid;

-- name: FindAccounts :many
-- FindAccounts returns the live accounts with that id or name.
SELECT id, provider, purpose, name, platform FROM accounts WHERE removed_at IS NULL AND (id::text = @ref::text OR name = @ref::text);

-- name: RemoveAccount :exec
-- RemoveAccount ends an account; what it signed before is still judged as of then.
UPDATE accounts SET removed_at = now() WHERE id = @id AND removed_at IS NULL;

-- name: RemoveTokens :execrows
-- RemoveTokens ends one token of an account, or all of them.
UPDATE account_tokens SET removed_at = now()
WHERE account_id = @account_id AND removed_at IS NULL AND (sqlc.narg('id')::uuid IS NULL OR id = sqlc.narg('id')::uuid);

-- name: EndEntitlements :exec
-- EndEntitlements closes for whom an account signs.
UPDATE account_orgs SET valid = tstzrange(lower(valid), now())
WHERE account_id = @account_id AND (upper_inf(valid) OR upper(valid) > now());

-- name: DropEntitlements :exec
-- DropEntitlements forgets for whom an account would have begun to sign.
DELETE FROM account_orgs WHERE account_id = @account_id AND NOT lower_inf(valid) AND lower(valid) >= now();

-- name: EntitlementsAt :many
-- EntitlementsAt returns and locks for whom an account signs at a time.
SELECT org_id, valid FROM account_orgs WHERE account_id = @account_id AND valid @> @at::timestamptz ORDER BY org_id FOR UPDATE;

-- name: EndEntitlement :exec
-- EndEntitlement closes one of them at that time.
UPDATE account_orgs SET valid = tstzrange(lower(valid), @at::timestamptz)
WHERE account_id = @account_id AND org_id = @org_id AND valid @> @at::timestamptz;

-- name: BeginEntitlement :exec
-- BeginEntitlement lets an account sign for an organisation from a time on.
INSERT INTO account_orgs (account_id, org_id, valid)
VALUES (@account_id, @org_id, tstzrange(@at::timestamptz, sqlc.narg('until')::timestamptz));

-- name: SenderEverHeld :one
-- SenderEverHeld tells whether a sender belonged to anybody at any time.
SELECT EXISTS (SELECT 1 FROM senders WHERE value = @value);

-- name: InsertSender :one
-- InsertSender enters a tenure of a sender. A shared one takes a slot of its
-- own, an exclusive one all slots.
INSERT INTO senders (id, org_id, kind, value, shared, slot, valid, voice_redirect)
SELECT @id::uuid, @org_id::uuid, @kind::text, @value::text, @shared::boolean,
  CASE WHEN @shared::boolean THEN int8range(n.slot, n.slot, '[]') ELSE int8range(NULL, NULL) END,
  tstzrange(sqlc.narg('valid_from')::timestamptz, sqlc.narg('valid_to')::timestamptz), sqlc.narg('voice_redirect')::text
FROM (SELECT nextval('sender_slots') AS slot) n
RETURNING id, org_id, kind, value, shared, valid, voice_redirect;

-- name: SenderTenuresAt :many
-- SenderTenuresAt returns and locks the tenures of a sender that cover a time.
SELECT id, org_id, kind, shared, valid FROM senders WHERE value = @value AND valid @> @at::timestamptz FOR UPDATE;

-- name: EndSender :exec
-- EndSender closes a tenure at a time.
UPDATE senders SET valid = tstzrange(lower(valid), @at::timestamptz) WHERE id = @id;

-- name: ListSenders :many
-- ListSenders returns every tenure, by sender and time.
SELECT id, org_id, kind, value, shared, valid, voice_redirect FROM senders ORDER BY value, valid, id;

-- name: DatabaseTime :one
-- DatabaseTime returns the transaction's time, by which tenures begin.
SELECT now()::timestamptz AS now;
