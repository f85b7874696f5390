-- Organizations can be deleted. The admin tokens that were for one of them stay, revoked, so that
-- the audit log's `token:ID` can still be looked up: they may refer to what is gone. SQLite lets go
-- of a reference only by making the table anew.
CREATE TABLE admin_tokens_4 (
    id              TEXT    PRIMARY KEY,
    role            TEXT    NOT NULL CHECK (role IN ('owner', 'operator', 'auditor')),
    hash            BLOB    NOT NULL,
    created_at      INTEGER NOT NULL,
    revoked_at      INTEGER,
    name            TEXT    NOT NULL DEFAULT '',
    organization_id BLOB,
    created_by      TEXT    NOT NULL DEFAULT '',
    expires_at      INTEGER
) STRICT;
INSERT INTO admin_tokens_4
    (id, role, hash, created_at, revoked_at, name, organization_id, created_by, expires_at)
SELECT id, role, hash, created_at, revoked_at, name, organization_id, created_by, expires_at
FROM admin_tokens;
DROP TABLE admin_tokens;
ALTER TABLE admin_tokens_4 RENAME TO admin_tokens;

-- What refers to an organization key is looked for when the key is deleted.
CREATE INDEX fields_by_key ON credential_fields (key_id);
CREATE INDEX grants_by_organization ON gateway_key_grants (organization_id);
