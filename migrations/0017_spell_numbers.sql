-- "Is this person opted out?" holds for a number in every spelling. In three
-- countries one number is written with and without a digit: callbacks of WhatsApp
-- and of SMS, and what senders record, differ in it. Rows about people hold an
-- address as it came; whoever asks about a person asks for every spelling.
-- Locks: none.
-- +goose Up
SET LOCAL lock_timeout = '5s';

-- +goose StatementBegin
-- The rows are those of internal/tenantmap/quirk.go, which tells why; a test
-- holds the two together.
CREATE FUNCTION number_spellings(address text) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT array_agg(s ORDER BY s COLLATE "C") FROM (
    SELECT address AS s
    UNION
    SELECT m[1] || m[2] || d || m[4]
    FROM (VALUES ('52', '', '1', '[2-9][0-9]{9}'), ('54', '', '9', '11[0-9]{8}|[23][0-9]{9}'), ('55', '[1-9][1-9]', '9', '[6-9][0-9]{7}'))
        q (country, area, digit, rest),
      regexp_match(address, '^((?:whatsapp:)?\+' || country || ')(' || area || ')(' || digit || '?)(' || rest || ')$') m,
      unnest(ARRAY['', digit]) d
    WHERE m IS NOT NULL) AS spelled
$$;

-- Of what was decided under several spellings the latest holds, then the
-- opt-out, then the greater event id, as of one.
CREATE OR REPLACE FUNCTION suppressed(org uuid, of_channel text, of_sender text, of_address text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  before text := current_setting('waybill.org', true);
  answer boolean;
BEGIN
  PERFORM set_config('waybill.org', org::text, true);
  SELECT c.opted_out INTO answer FROM consents c
  WHERE c.org_id = org AND c.channel = of_channel AND c.sender = ANY(number_spellings(of_sender))
    AND c.address = ANY(ARRAY(SELECT unnest(ARRAY[a, erased_address(org, a)]) FROM unnest(number_spellings(of_address)) AS a))
  ORDER BY c.decided_at DESC, c.opted_out DESC, c.event_id COLLATE "C" DESC LIMIT 1;
  PERFORM set_config('waybill.org', coalesce(before, ''), true);
  RETURN coalesce(answer, false);
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION number_spellings(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION number_spellings(text) TO waybill_operator, waybill_readonly;
