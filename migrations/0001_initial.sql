-- Times are UTC, in milliseconds since 1970. UUIDs are 16 bytes.

-- One row: which database this is, and the proof that a key ring belongs to it.
CREATE TABLE installation (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    database_id  BLOB    NOT NULL,
    kek_id       TEXT    NOT NULL,
    key_check    BLOB    NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

-- One row: bumped by every write, so that a running server notices what a command changed.
CREATE TABLE revision (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO revision (id, value) VALUES (1, 1);

CREATE TABLE organizations (
    id         BLOB    PRIMARY KEY,
    slug       TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('active', 'suspended')),
    created_at INTEGER NOT NULL
) STRICT;

-- The sealed key of an organization in an environment.
CREATE TABLE organization_keys (
    id              BLOB    PRIMARY KEY,
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    environment     TEXT    NOT NULL,
    kek_id          TEXT    NOT NULL,
    sealed          BLOB    NOT NULL,
    created_at      INTEGER NOT NULL,
    UNIQUE (organization_id, environment)
) STRICT;

CREATE TABLE credential_versions (
    id              BLOB    PRIMARY KEY,
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    environment     TEXT    NOT NULL,
    provider        TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('active', 'revoked')),
    flow            TEXT,
    issued_at       INTEGER NOT NULL,
    entered_at      INTEGER NOT NULL,
    entered_by      TEXT    NOT NULL,
    verified_at     INTEGER,
    UNIQUE (organization_id, environment, provider, version)
) STRICT;
CREATE UNIQUE INDEX one_active_version
    ON credential_versions (organization_id, environment, provider) WHERE state = 'active';

-- The sealed values. A revoked version has none; its fingerprints stay.
CREATE TABLE credential_fields (
    version_id  BLOB NOT NULL REFERENCES credential_versions (id),
    field       TEXT NOT NULL,
    key_id      BLOB NOT NULL REFERENCES organization_keys (id),
    sealed      BLOB,
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (version_id, field)
) STRICT;

CREATE TABLE gateway_keys (
    id         TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

-- What a key may do: JSON lists of names, NULL for all.
CREATE TABLE gateway_key_grants (
    key_id          TEXT    NOT NULL REFERENCES gateway_keys (id),
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    environments    TEXT,
    tools           TEXT,
    read_only       INTEGER NOT NULL,
    PRIMARY KEY (key_id, organization_id)
) STRICT;

CREATE TABLE admin_tokens (
    id         TEXT    PRIMARY KEY,
    role       TEXT    NOT NULL CHECK (role IN ('owner', 'operator', 'auditor')),
    hash       BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
