-- What is kept about people, table by table; what forgets it on request, and
-- what forgets everything that is too old. No role gets a right on the tables
-- for it: functions of the owner touch what is to be forgotten, of one
-- organisation at a time, and refuse what is too young.
-- Locks: the tables of messages, calls, customers and organisations for a
-- moment each; the other tables are new.
-- +goose Up
SET LOCAL lock_timeout = '5s';

ALTER TABLE organizations ADD COLUMN erased_at timestamptz;
ALTER TABLE customers ADD COLUMN erased_at timestamptz;
ALTER TABLE sms_messages ADD COLUMN erased_at timestamptz;
ALTER TABLE email_messages ADD COLUMN erased_at timestamptz;
ALTER TABLE calls ADD COLUMN erased_at timestamptz;
ALTER TABLE call_recordings ADD COLUMN erased_at timestamptz;

-- Who asked for what to be forgotten, and how far it has come. Nothing here
-- tells who the forgotten person was, but for the platform's own customer id.
CREATE TABLE erasures (
  id          uuid PRIMARY KEY,
  org_id      uuid NOT NULL REFERENCES organizations (id),
  scope       text NOT NULL CHECK (scope IN ('organization', 'customer', 'address')),
  customer_id uuid CHECK ((scope = 'customer') = (customer_id IS NOT NULL)),
  role        text NOT NULL DEFAULT session_user,
  os_user     text NOT NULL DEFAULT '', -- as the command said
  started_at  timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  counts      jsonb NOT NULL DEFAULT '{}' -- rows by table
);
CREATE INDEX erasures_org ON erasures (org_id, started_at);

-- The addresses of an erasure that runs, so that it can go on after a crash
-- when the rows that named them are erased already. Finishing empties it.
CREATE TABLE erasure_addresses (
  erasure_id uuid NOT NULL REFERENCES erasures (id),
  address    text NOT NULL,
  PRIMARY KEY (erasure_id, address)
);

-- The key of an organisation's pseudonyms. No role reads it.
CREATE TABLE erasure_keys (
  org_id uuid PRIMARY KEY REFERENCES organizations (id),
  key    bytea NOT NULL CHECK (length(key) = 32)
);

-- Every table with rows of organisations that people could be found in; export
-- and erasing go by it. The conditions are SQL about a row t, with $1 for the
-- organisation, $2 for the customer (null: whoever has the addresses) and $3
-- for the person's addresses.
CREATE TABLE personal_tables (
  name      text PRIMARY KEY,
  position  integer NOT NULL UNIQUE,      -- the order of erasing
  belongs   text NOT NULL,                -- which rows are a person's; false for those that are erased
  addresses text,                         -- array of the person's addresses in such a row
  deletes   text NOT NULL DEFAULT 'false', -- which of them go altogether
  erases    text,                         -- what is set in the others; null: they hold nothing personal
  chunk_by  text NOT NULL DEFAULT 'ctid'  -- a column to delete by; one of the key where there are partitions
);

-- +goose StatementBegin
-- Enters a table and lets the owner's functions reach the rows of the one
-- organisation that they set: FORCE holds the owner to policies as well.
CREATE FUNCTION keep_personal_table(name text, "position" integer, belongs text, addresses text DEFAULT NULL,
  deletes text DEFAULT 'false', erases text DEFAULT NULL, chunk_by text DEFAULT 'ctid') RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  EXECUTE format($p$CREATE POLICY erasing ON %I TO CURRENT_USER
    USING (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))
    WITH CHECK (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))$p$, name);
  INSERT INTO personal_tables VALUES (name, "position", belongs, addresses, deletes, erases, chunk_by);
END
$$;

-- The same address of the same organisation always gets the same pseudonym, so
-- that an opt-out still holds and a late event still finds its recipient. It is
-- an HMAC (of fixed key length); until something was erased there is no key, and
-- the address is returned as it is.
CREATE FUNCTION erased_address(org uuid, address text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT coalesce((
    SELECT 'erased:' || encode(sha256(k.key || sha256(k.key || convert_to(lower(address), 'UTF8'))), 'hex')
    FROM erasure_keys k WHERE k.org_id = org AND address NOT LIKE 'erased:%'), address)
$$;

-- Facts beside a status: that and when something happened stays, and how long a
-- call lasted; any other value could tell of the person.
CREATE FUNCTION erased_facts(facts jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(jsonb_object_agg(f.key, CASE WHEN f.key = 'duration' THEN f.value ELSE f.value - 'value' - 'value_at' END), '{}')
  FROM jsonb_each(facts) f
$$;

-- Whether an address must not be written to by a sender of an organisation. An
-- opt-out outlives the erasure of its person, as a pseudonym.
CREATE FUNCTION suppressed(org uuid, of_channel text, of_sender text, of_address text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  before text := current_setting('waybill.org', true);
  answer boolean;
BEGIN
  PERFORM set_config('waybill.org', org::text, true);
  SELECT c.opted_out INTO answer FROM consents c
  WHERE c.org_id = org AND c.channel = of_channel AND c.sender = of_sender AND c.address IN (of_address, erased_address(org, of_address))
  ORDER BY c.address = of_address DESC LIMIT 1;
  PERFORM set_config('waybill.org', coalesce(before, ''), true);
  RETURN coalesce(answer, false);
END
$$;

-- A row that was erased stays so, whatever a late callback, a replay or a
-- worker of any version writes: what is empty cannot be filled.
CREATE FUNCTION stay_erased() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  NEW.erased_at := OLD.erased_at;
  IF TG_TABLE_NAME = 'call_recordings' THEN
    NEW.location := '';
    RETURN NEW;
  END IF;
  NEW.customer_id := NULL;
  NEW.from_address := CASE WHEN NEW.from_address = '' THEN '' ELSE OLD.from_address END;
  IF TG_TABLE_NAME <> 'email_messages' THEN
    NEW.to_address := CASE WHEN NEW.to_address = '' THEN '' ELSE OLD.to_address END;
  END IF;
  IF TG_TABLE_NAME = 'sms_messages' THEN
    NEW.body := '';
    NEW.media := '{}';
  ELSE
    NEW.facts := erased_facts(NEW.facts);
  END IF;
  RETURN NEW;
END
$$;

-- The same for rows that come to an erased parent later.
CREATE FUNCTION come_erased() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_TABLE_NAME = 'call_recordings' THEN
    IF EXISTS (SELECT FROM calls c WHERE c.org_id = NEW.org_id AND c.id = NEW.call_id AND c.erased_at IS NOT NULL) THEN
      NEW.location := '';
      NEW.erased_at := now();
    END IF;
  ELSIF EXISTS (SELECT FROM email_messages m WHERE m.org_id = NEW.org_id AND m.id = NEW.email_id AND m.erased_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM email_recipients r WHERE r.org_id = NEW.org_id AND r.email_id = NEW.email_id AND r.address = NEW.address) THEN
    NEW.address := erased_address(NEW.org_id, NEW.address);
  END IF;
  RETURN NEW;
END
$$;

DO $$
DECLARE
  t text;
  -- A row of another customer is that customer's, also where two share an address.
  linked constant text := '(t.customer_id = $2 OR ($2 IS NULL OR t.customer_id IS NULL) AND (t.from_address = ANY($3) OR t.to_address = ANY($3)))';
  mailed constant text := '(t.customer_id = $2 OR ($2 IS NULL OR t.customer_id IS NULL) AND (t.from_address = ANY($3)
    OR t.erased_at IS NULL AND EXISTS (SELECT FROM email_recipients r WHERE r.org_id = t.org_id AND r.email_id = t.id
      AND r.address = ANY($3 || ARRAY(SELECT erased_address($1, a) FROM unnest($3) AS a)))))';
  theirs constant text := $q$from_address = CASE WHEN t.direction = 'inbound' OR t.from_address = ANY($3) THEN '' ELSE t.from_address END,
    to_address = CASE WHEN t.direction = 'outbound' OR t.to_address = ANY($3) THEN '' ELSE t.to_address END,
    customer_id = NULL, erased_at = coalesce(t.erased_at, now())$q$;
  person constant text := $q$ARRAY[CASE WHEN t.direction = 'inbound' THEN t.from_address ELSE t.to_address END]$q$;
BEGIN
  FOREACH t IN ARRAY ARRAY['sms_messages', 'email_messages', 'calls', 'call_recordings'] LOOP
    EXECUTE format('CREATE TRIGGER stay_erased BEFORE UPDATE ON %I FOR EACH ROW WHEN (OLD.erased_at IS NOT NULL) EXECUTE FUNCTION stay_erased()', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['email_recipients', 'call_recordings'] LOOP
    EXECUTE format('CREATE TRIGGER come_erased BEFORE INSERT ON %I FOR EACH ROW EXECUTE FUNCTION come_erased()', t);
  END LOOP;
  -- Recordings and recipients before what they belong to, campaigns and customers
  -- when nothing refers to them.
  PERFORM keep_personal_table('events', 10, 't.row_id IN (SELECT m.id FROM sms_messages m WHERE m.org_id = $1 AND ' || replace(linked, 't.', 'm.')
    || ' UNION ALL SELECT m.id FROM calls m WHERE m.org_id = $1 AND ' || replace(linked, 't.', 'm.')
    || ' UNION ALL SELECT m.id FROM email_messages m WHERE m.org_id = $1 AND ' || replace(mailed, 't.', 'm.') || ')', chunk_by => 'event_id');
  PERFORM keep_personal_table('sms_messages', 20, linked, person, erases => theirs || $q$, body = '', media = '{}'$q$);
  PERFORM keep_personal_table('call_recordings', 30,
    't.erased_at IS NULL AND EXISTS (SELECT FROM calls c WHERE c.org_id = t.org_id AND c.id = t.call_id AND ' || replace(linked, 't.', 'c.') || ')',
    erases => $q$location = '', erased_at = now()$q$);
  PERFORM keep_personal_table('calls', 40, linked, person, erases => theirs || ', facts = erased_facts(t.facts)');
  PERFORM keep_personal_table('email_recipients', 50,
    't.address = ANY($3) AND EXISTS (SELECT FROM email_messages m WHERE m.org_id = t.org_id AND m.id = t.email_id
      AND ($2 IS NULL OR m.customer_id IS NULL OR m.customer_id = $2))',
    erases => 'address = erased_address($1, t.address)');
  PERFORM keep_personal_table('email_messages', 60, mailed,
    'ARRAY(SELECT r.address FROM email_recipients r WHERE r.org_id = t.org_id AND r.email_id = t.id)',
    erases => $q$from_address = CASE WHEN t.from_address = ANY($3) THEN '' ELSE t.from_address END, customer_id = NULL,
      erased_at = coalesce(t.erased_at, now()), facts = erased_facts(t.facts)$q$);
  PERFORM keep_personal_table('consents', 70, 't.address = ANY($3)', 'ARRAY[t.address]',
    deletes => 'NOT t.opted_out OR EXISTS (SELECT FROM consents o WHERE o.org_id = t.org_id AND o.channel = t.channel AND o.sender = t.sender
      AND o.address = erased_address($1, t.address))',
    erases => 'address = erased_address($1, t.address)');
  PERFORM keep_personal_table('campaign_changes', 80, 'false');
  PERFORM keep_personal_table('campaign_open', 81, 'false');
  PERFORM keep_personal_table('campaign_snapshots', 82, 'false');
  PERFORM keep_personal_table('campaign_counters', 83, 'false');
  PERFORM keep_personal_table('sms_campaigns', 84, 'false');
  PERFORM keep_personal_table('email_campaigns', 85, 'false');
  PERFORM keep_personal_table('voice_campaigns', 86, 'false');
  PERFORM keep_personal_table('customers', 90, 't.id = $2 AND t.erased_at IS NULL', erases => 'external_id = NULL, erased_at = now()');
END
$$;

-- Nobody is made to sign or send for an organisation that is gone: to whoever
-- tries it does not exist.
CREATE FUNCTION refuse_erased_organization() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM organizations o WHERE o.id = NEW.org_id AND o.erased_at IS NOT NULL) THEN
    RAISE EXCEPTION 'this organisation was erased' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER refuse_erased BEFORE INSERT ON account_orgs FOR EACH ROW EXECUTE FUNCTION refuse_erased_organization();
CREATE TRIGGER refuse_erased BEFORE INSERT ON senders FOR EACH ROW EXECUTE FUNCTION refuse_erased_organization();

-- The organisation goes: it has no name, nobody signs for it, its senders are
-- free. Its id stays, because ids of events and erasures name it.
CREATE FUNCTION close_organization(org uuid) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  alone uuid[] := ARRAY(
    SELECT a.id FROM accounts a JOIN account_orgs o ON o.account_id = a.id AND o.org_id = org
    WHERE NOT a.platform AND NOT EXISTS (
      SELECT FROM account_orgs x WHERE x.account_id = a.id AND x.org_id <> org AND (upper_inf(x.valid) OR upper(x.valid) > now())));
BEGIN
  UPDATE organizations SET erased_at = coalesce(erased_at, now()), name = '', external_id = NULL WHERE id = org;
  DELETE FROM account_orgs WHERE org_id = org AND NOT lower_inf(valid) AND lower(valid) >= now();
  UPDATE account_orgs SET valid = tstzrange(lower(valid), now()) WHERE org_id = org AND (upper_inf(valid) OR upper(valid) > now());
  UPDATE account_tokens SET removed_at = coalesce(removed_at, now()), sealed = '' WHERE account_id = ANY(alone) AND sealed <> '';
  UPDATE accounts SET removed_at = now() WHERE id = ANY(alone) AND removed_at IS NULL;
  DELETE FROM senders WHERE org_id = org;
END
$$;

-- Begins an erasure, or goes on with the one of the same subject that was
-- interrupted, and returns its id.
CREATE FUNCTION begin_erasure(org uuid, of_scope text, customer uuid, addresses text[], of_user text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  this uuid;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('waybill.erasure'), hashtext(org::text));
  SELECT e.id INTO this FROM erasures e
  WHERE e.org_id = org AND e.scope = of_scope AND e.customer_id IS NOT DISTINCT FROM customer AND e.finished_at IS NULL
    AND (of_scope <> 'address' OR EXISTS (SELECT FROM erasure_addresses a WHERE a.erasure_id = e.id AND a.address = ANY(addresses)))
  ORDER BY e.started_at LIMIT 1;
  IF this IS NULL THEN
    INSERT INTO erasures (id, org_id, scope, customer_id, os_user) VALUES (gen_random_uuid(), org, of_scope, customer, of_user) RETURNING id INTO this;
  END IF;
  INSERT INTO erasure_addresses SELECT DISTINCT this, a FROM unnest(addresses) AS a WHERE a <> '' ON CONFLICT DO NOTHING;
  INSERT INTO erasure_keys VALUES (org, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')) ON CONFLICT DO NOTHING;
  IF of_scope = 'organization' THEN
    PERFORM close_organization(org);
  END IF;
  RETURN this;
END
$$;

-- Notes rows that an erasure has erased.
CREATE FUNCTION count_erased(erasure uuid, what text, n bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE erasures SET counts = jsonb_set(counts, ARRAY[what], to_jsonb(coalesce((counts ->> what)::bigint, 0) + n))
  WHERE id = erasure AND finished_at IS NULL AND n > 0
$$;

-- Erases up to so many rows of one table and returns how many; 0 is the end.
CREATE FUNCTION erase_rows(erasure uuid, table_name text, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  e erasures;
  p personal_tables;
  people text[];
  n bigint := 0;
  m bigint;
BEGIN
  SELECT * INTO STRICT e FROM erasures WHERE id = erasure AND finished_at IS NULL;
  SELECT * INTO STRICT p FROM personal_tables WHERE name = table_name;
  PERFORM set_config('waybill.org', e.org_id::text, true);
  IF e.scope = 'organization' THEN
    EXECUTE format('DELETE FROM %1$I t WHERE t.org_id = $1 AND t.%2$I = ANY(ARRAY(SELECT x.%2$I FROM %1$I x WHERE x.org_id = $1 LIMIT $2))', p.name, p.chunk_by)
      USING e.org_id, most;
    GET DIAGNOSTICS n = ROW_COUNT;
  ELSE
    people := ARRAY(SELECT a.address FROM erasure_addresses a WHERE a.erasure_id = erasure);
    IF p.deletes <> 'false' THEN
      EXECUTE format('DELETE FROM %1$I t WHERE t.org_id = $1 AND t.ctid = ANY(ARRAY(
        SELECT t.ctid FROM %1$I t WHERE t.org_id = $1 AND (%2$s) AND (%3$s) LIMIT $4))', p.name, p.belongs, p.deletes)
        USING e.org_id, e.customer_id, people, most;
      GET DIAGNOSTICS n = ROW_COUNT;
    END IF;
    IF p.erases IS NOT NULL THEN
      EXECUTE format('UPDATE %1$I t SET %3$s WHERE t.org_id = $1 AND t.ctid = ANY(ARRAY(
        SELECT t.ctid FROM %1$I t WHERE t.org_id = $1 AND (%2$s) LIMIT $4))', p.name, p.belongs, p.erases)
        USING e.org_id, e.customer_id, people, most;
      GET DIAGNOSTICS m = ROW_COUNT;
      n := n + m;
    END IF;
  END IF;
  PERFORM count_erased(erasure, p.name, n);
  RETURN n;
END
$$;

-- Whose addresses an erasure that runs is about.
CREATE FUNCTION erasure_people(erasure uuid) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT a.address FROM erasure_addresses a WHERE a.erasure_id = erasure ORDER BY 1
$$;

-- Ends an erasure; what it needed to know of the person goes with it.
CREATE FUNCTION finish_erasure(erasure uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  DELETE FROM erasure_addresses WHERE erasure_id = erasure;
  DELETE FROM erasure_keys k USING erasures e WHERE e.id = erasure AND e.scope = 'organization' AND k.org_id = e.org_id;
  UPDATE erasures SET finished_at = now() WHERE id = erasure AND finished_at IS NULL;
END
$$;

-- Takes away again what was written for an organisation after it was erased: an
-- event that was on its way makes rows. Returns how many rows.
CREATE FUNCTION sweep_erased_organizations(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  o uuid;
  p personal_tables;
  n bigint := 0;
  m bigint;
BEGIN
  FOR o IN SELECT id FROM organizations WHERE erased_at IS NOT NULL ORDER BY erased_at DESC LOOP
    PERFORM set_config('waybill.org', o::text, true);
    FOR p IN SELECT * FROM personal_tables ORDER BY position LOOP
      EXECUTE format('DELETE FROM %1$I t WHERE t.org_id = $1 AND t.%2$I = ANY(ARRAY(SELECT x.%2$I FROM %1$I x WHERE x.org_id = $1 LIMIT $2))', p.name, p.chunk_by)
        USING o, most;
      GET DIAGNOSTICS m = ROW_COUNT;
      n := n + m;
    END LOOP;
    EXIT WHEN n >= most;
  END LOOP;
  PERFORM set_config('waybill.org', '', true);
  RETURN n;
END
$$;

-- One row: when a worker last began to look for what has expired. Whoever moves
-- it does the work of that turn.
CREATE TABLE retention_turns (
  only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  started_at timestamptz NOT NULL
);
INSERT INTO retention_turns (started_at) VALUES ('-infinity');

-- Forgets the rows of some pages of a table that are older than a time, and
-- tells the oldest that is left there, and the page to go on with (null at the
-- end). It reads a table once from one end to the other: an index on the time
-- would cost every event that is written. Events' ids are never younger than 30
-- days here, whatever the caller believes; the others never younger than 7.
CREATE FUNCTION expire_rows(relation text, from_page bigint, pages integer, before timestamptz,
  OUT expired bigint, OUT oldest timestamptz, OUT next_page bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  at text := 'applied_at';
  range text;
  kept interval := '7 days';
BEGIN
  IF relation ~ '^event_ids_[0-9]{2}$' THEN
    kept := '30 days';
  ELSIF relation = 'event_duplicates' THEN
    at := 'received_at';
  ELSIF relation NOT IN ('events_other', 'billing_events') THEN
    RAISE EXCEPTION 'rows of this table do not expire' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF before > now() - kept THEN
    RAISE EXCEPTION 'what is younger than % is kept', kept USING ERRCODE = 'invalid_parameter_value';
  END IF;
  range := format('ctid >= ''(%s,0)''::tid AND ctid < ''(%s,0)''::tid', from_page, from_page + pages);
  IF relation = 'billing_events' THEN -- the event stays on record, its payload goes
    EXECUTE format('UPDATE billing_events SET payload = '''' WHERE %s AND applied_at < $1 AND payload <> ''''', range) USING before;
    GET DIAGNOSTICS expired = ROW_COUNT;
    EXECUTE format('SELECT min(applied_at) FROM billing_events WHERE %s AND payload <> ''''', range) INTO oldest;
  ELSE
    EXECUTE format('DELETE FROM %I WHERE %s AND %I < $1', relation, range, at) USING before;
    GET DIAGNOSTICS expired = ROW_COUNT;
    EXECUTE format('SELECT min(%I) FROM %I WHERE %s', at, relation, range) INTO oldest;
  END IF;
  IF (from_page + pages) * current_setting('block_size')::bigint < pg_relation_size(relation::regclass) THEN
    next_page := from_page + pages;
  END IF;
END
$$;

-- Drops the oldest day of the timeline if it lies before a time, and tells the
-- oldest that is left. It waits for its lock for so short a time that workers,
-- who wait behind it, do not notice.
CREATE FUNCTION drop_event_day(before timestamptz, OUT dropped boolean, OUT oldest timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  name text;
BEGIN
  IF before > now() - interval '7 days' THEN
    RAISE EXCEPTION 'what is younger than 7 days is kept' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM set_config('lock_timeout', '500ms', true);
  dropped := false;
  FOR name IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.events'::regclass AND c.relname ~ '^events_[0-9]{8}$' ORDER BY 1
  LOOP
    oldest := to_date(right(name, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC';
    EXIT WHEN dropped OR oldest + interval '1 day' > before;
    EXECUTE format('DROP TABLE %I', name);
    dropped := true;
  END LOOP;
END
$$;
-- +goose StatementEnd

-- Rows of the timeline that no day took.
CREATE POLICY expiring ON events_other TO CURRENT_USER USING (applied_at < now() - interval '7 days');
CREATE POLICY seen_by_owner ON events_other FOR SELECT TO CURRENT_USER USING (true);

GRANT SELECT ON erasures, personal_tables TO waybill_operator, waybill_readonly;
GRANT SELECT, UPDATE ON retention_turns TO waybill_worker;

REVOKE ALL ON FUNCTION keep_personal_table(text, integer, text, text, text, text, text), erased_address(uuid, text), erased_facts(jsonb),
  suppressed(uuid, text, text, text), stay_erased(), come_erased(), refuse_erased_organization(), close_organization(uuid), begin_erasure(uuid, text, uuid, text[], text),
  count_erased(uuid, text, bigint), erase_rows(uuid, text, integer), erasure_people(uuid), finish_erasure(uuid), sweep_erased_organizations(integer),
  expire_rows(text, bigint, integer, timestamptz), drop_event_day(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_erasure(uuid, text, uuid, text[], text), count_erased(uuid, text, bigint), erase_rows(uuid, text, integer),
  erasure_people(uuid), finish_erasure(uuid) TO waybill_operator;
GRANT EXECUTE ON FUNCTION erased_address(uuid, text), erased_facts(jsonb), suppressed(uuid, text, text, text) TO waybill_worker, waybill_operator;
GRANT EXECUTE ON FUNCTION erased_address(uuid, text), suppressed(uuid, text, text, text) TO waybill_readonly;
GRANT EXECUTE ON FUNCTION sweep_erased_organizations(integer), expire_rows(text, bigint, integer, timestamptz), drop_event_day(timestamptz) TO waybill_worker;
