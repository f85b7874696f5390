-- A grant may end before its key: who administers one organization ends what a key opens there, and
-- learns of nothing else that it opens. As keys do, it runs out or is revoked.
ALTER TABLE gateway_key_grants ADD COLUMN ends_at INTEGER;
ALTER TABLE gateway_key_grants ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER grant_changed AFTER UPDATE OF ends_at, revoked ON gateway_key_grants BEGIN
    UPDATE gateway_keys SET revision = revision + 1 WHERE id = NEW.key_id;
END;
