-- What the router knows expires as well: mappings that no event asked for any
-- more, placeholders that nobody waits under, conversations that nobody
-- continues, requests that concern nobody. Page by page like the rest, so the
-- index on the time of a conversation goes: every send from a shared sender
-- paid for it.
-- Locks: conversations, for a moment.
-- +goose Up
SET LOCAL lock_timeout = '5s';

DROP INDEX conversations_last;

-- +goose StatementBegin
-- Forgets rows of some pages of a routing table. It takes the locks of those
-- that are due, passing over those that somebody holds, and then looks once more
-- whether they are needed: a parker who held the lock before us has committed by
-- now what waits. So it never waits, and never takes a row from under a parker.
CREATE FUNCTION expire_routing(relation text, pages_of text, before timestamptz, OUT expired bigint, OUT oldest timestamptz)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  at text;
  due text;
  needed text; -- scalar subqueries, which are only ever answered by index
  kept interval := '90 days';
  counted text := 'true';
  found tid[];
BEGIN
  CASE relation
  WHEN 'tenant_map' THEN
    kept := '30 days';
    -- A message may be scheduled; 35 days is the longest that a provider does it.
    at := 'greatest(t.recorded_at, least(coalesce(t.sent_at, t.recorded_at), t.recorded_at + interval ''35 days''))';
    due := format('CASE WHEN t.org_id IS NULL THEN t.recorded_at < now() - interval ''1 day'' ELSE %s < $1 END', at);
    needed := 'coalesce((SELECT true FROM held_keys k WHERE k.key = t.key LIMIT 1), (SELECT true FROM held_events h WHERE h.named_key = t.key LIMIT 1), false)';
    counted := 't.org_id IS NOT NULL';
  WHEN 'conversations' THEN -- who said STOP is known to have been written to for as long as that stands
    at := 't.last_outbound_at';
    needed := 'coalesce((SELECT r.opted_out FROM sender_requests r WHERE r.sender = t.sender AND r.person = t.person), false)';
  WHEN 'sender_requests' THEN
    at := 't.received_at';
    needed := 'coalesce((SELECT true FROM conversations c WHERE c.sender = t.sender AND c.person = t.person LIMIT 1), false)';
  END CASE;
  IF before > now() - kept THEN
    RAISE EXCEPTION 'what is younger than % is kept', kept USING ERRCODE = 'invalid_parameter_value';
  END IF;
  due := coalesce(due, at || ' < $1');
  PERFORM set_config('waybill.expiring', 'on', true);
  EXECUTE format('SELECT array_agg(row) FROM (SELECT t.ctid AS row FROM %I t WHERE %s AND %s AND NOT %s FOR UPDATE SKIP LOCKED) d',
    relation, pages_of, due, needed) INTO found USING before;
  EXECUTE format('DELETE FROM %I t WHERE t.ctid = ANY ($1) AND NOT %s', relation, needed) USING found;
  GET DIAGNOSTICS expired = ROW_COUNT;
  EXECUTE format('SELECT min(%s) FROM %I t WHERE %s AND %s', at, relation, pages_of, counted) INTO oldest;
END
$$;

-- As in 0010, and the tables of routing.
CREATE OR REPLACE FUNCTION expire_rows(relation text, from_page bigint, pages integer, before timestamptz,
  OUT expired bigint, OUT oldest timestamptz, OUT next_page bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  at text := 'applied_at';
  range text := format('ctid >= ''(%s,0)''::tid AND ctid < ''(%s,0)''::tid', from_page, from_page + pages);
  kept interval := '7 days';
  routing CONSTANT boolean := relation IN ('tenant_map', 'conversations', 'sender_requests');
BEGIN
  IF relation ~ '^event_ids_[0-9]{2}$' THEN
    kept := '30 days';
  ELSIF relation = 'event_duplicates' THEN
    at := 'received_at';
  ELSIF NOT coalesce(routing, false) AND relation NOT IN ('events_other', 'billing_events') THEN
    RAISE EXCEPTION 'rows of this table do not expire' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF before > now() - kept THEN
    RAISE EXCEPTION 'what is younger than % is kept', kept USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF routing THEN
    SELECT r.expired, r.oldest INTO expired, oldest FROM expire_routing(relation, range, before) r;
  ELSIF relation = 'billing_events' THEN -- the event stays on record, its payload goes
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

-- What a person asked goes with the last conversation that is erased (0013). A
-- STOP that comes while the last one expires does not: whoever writes next must
-- still hear of it.
CREATE OR REPLACE FUNCTION forget_request() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  DELETE FROM sender_requests r WHERE r.sender = OLD.sender AND r.person = OLD.person
    AND NOT (r.opted_out AND coalesce(current_setting('waybill.expiring', true), '') = 'on')
    AND NOT EXISTS (SELECT FROM conversations c WHERE c.sender = OLD.sender AND c.person = OLD.person);
  RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION expire_routing(text, text, timestamptz) FROM PUBLIC;
