-- Conversations at shared senders name people, so they are exported and erased
-- as well. What a person last asked of a shared sender is kept for those who
-- have a conversation there; it goes with the last of them.
-- Locks: conversations, for a moment.
-- +goose Up
SET LOCAL lock_timeout = '5s';

SELECT keep_personal_table('conversations', 75, 't.person = ANY($3)', deletes => 'true');

-- +goose StatementBegin
CREATE FUNCTION forget_request() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  DELETE FROM sender_requests r WHERE r.sender = OLD.sender AND r.person = OLD.person
    AND NOT EXISTS (SELECT FROM conversations c WHERE c.sender = OLD.sender AND c.person = OLD.person);
  RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION forget_request() FROM PUBLIC;
CREATE TRIGGER forget_request AFTER DELETE ON conversations FOR EACH ROW EXECUTE FUNCTION forget_request();
