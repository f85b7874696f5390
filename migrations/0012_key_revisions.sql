-- Raised by every change of a key or token: what If-Match compares, as it does an organization's.
-- A key's grants are entered with it, and go with their organizations.
ALTER TABLE gateway_keys ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE TRIGGER key_changed AFTER UPDATE OF expires_at, revoked_at ON gateway_keys BEGIN
    UPDATE gateway_keys SET revision = revision + 1 WHERE id = NEW.id;
END;
CREATE TRIGGER grant_removed AFTER DELETE ON gateway_key_grants BEGIN
    UPDATE gateway_keys SET revision = revision + 1 WHERE id = OLD.key_id;
END;

ALTER TABLE admin_tokens ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE TRIGGER token_changed AFTER UPDATE OF revoked_at ON admin_tokens BEGIN
    UPDATE admin_tokens SET revision = revision + 1 WHERE id = NEW.id;
END;
