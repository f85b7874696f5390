-- Lists are read in pages, each from the place where the one before it ended.
CREATE INDEX keys_by_age ON gateway_keys (created_at, id);
CREATE INDEX tokens_by_age ON admin_tokens (created_at, id);
