-- Credentials get a life, administrators get roles, and what they do is recorded.

-- More states than active and revoked. SQLite changes a CHECK only by making the table anew, and
-- what refers to it goes first.
CREATE TABLE credential_versions_3 (
    id              BLOB    PRIMARY KEY,
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    environment     TEXT    NOT NULL,
    provider        TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN
        ('staged', 'refused', 'active', 'retiring', 'revoked', 'cancelled')),
    state_at        INTEGER NOT NULL,
    grace_ends_at   INTEGER CHECK ((grace_ends_at IS NOT NULL) = (state = 'retiring')),
    flow            TEXT,
    issued_at       INTEGER NOT NULL,
    entered_at      INTEGER NOT NULL,
    entered_by      TEXT    NOT NULL,
    -- The last login that succeeded, and the last one that the endpoint refused, with its words.
    verified_at     INTEGER,
    refused_at      INTEGER,
    refusal         TEXT,
    UNIQUE (organization_id, environment, provider, version)
) STRICT;
INSERT INTO credential_versions_3
    (id, organization_id, environment, provider, version, state, state_at,
     flow, issued_at, entered_at, entered_by, verified_at)
SELECT id, organization_id, environment, provider, version, state, entered_at,
       flow, issued_at, entered_at, entered_by, verified_at
FROM credential_versions;

CREATE TABLE credential_fields_3 (
    version_id  BLOB NOT NULL REFERENCES credential_versions_3 (id),
    field       TEXT NOT NULL,
    key_id      BLOB NOT NULL REFERENCES organization_keys (id),
    sealed      BLOB,
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (version_id, field)
) STRICT;
INSERT INTO credential_fields_3 SELECT version_id, field, key_id, sealed, fingerprint
FROM credential_fields;

DROP TABLE credential_fields;
DROP TABLE credential_versions;
ALTER TABLE credential_versions_3 RENAME TO credential_versions;
ALTER TABLE credential_fields_3 RENAME TO credential_fields;

-- One version in use, one that is leaving, and one change at a time.
CREATE UNIQUE INDEX one_active_version
    ON credential_versions (organization_id, environment, provider) WHERE state = 'active';
CREATE UNIQUE INDEX one_retiring_version
    ON credential_versions (organization_id, environment, provider) WHERE state = 'retiring';
CREATE UNIQUE INDEX one_staged_version
    ON credential_versions (organization_id, environment, provider) WHERE state = 'staged';

-- Raised by every change of what belongs to an organization: what If-Match compares.
ALTER TABLE organizations ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE TRIGGER organization_changed AFTER UPDATE OF name, state ON organizations BEGIN
    UPDATE organizations SET revision = revision + 1 WHERE id = NEW.id;
END;
CREATE TRIGGER credential_added AFTER INSERT ON credential_versions BEGIN
    UPDATE organizations SET revision = revision + 1 WHERE id = NEW.organization_id;
END;
CREATE TRIGGER credential_changed AFTER UPDATE ON credential_versions BEGIN
    UPDATE organizations SET revision = revision + 1 WHERE id = NEW.organization_id;
END;
CREATE TRIGGER limits_set AFTER INSERT ON tenant_limits BEGIN
    UPDATE organizations SET revision = revision + 1 WHERE id = NEW.organization_id;
END;
CREATE TRIGGER limits_removed AFTER DELETE ON tenant_limits BEGIN
    UPDATE organizations SET revision = revision + 1 WHERE id = OLD.organization_id;
END;

-- A key that takes the place of another, which works until its grace is over.
ALTER TABLE gateway_keys ADD COLUMN replaces TEXT;
ALTER TABLE gateway_keys ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

-- A token without an organization is for all of them.
ALTER TABLE admin_tokens ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE admin_tokens ADD COLUMN organization_id BLOB REFERENCES organizations (id);
ALTER TABLE admin_tokens ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE admin_tokens ADD COLUMN expires_at INTEGER;

-- One row: the key of the audit chain, sealed under a key-encryption key.
CREATE TABLE audit_key (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    kek_id TEXT    NOT NULL,
    sealed BLOB    NOT NULL
) STRICT;

-- The audit log. Each record's mac covers the record and the mac before it. No reference to other
-- tables: a record outlives what it speaks of.
CREATE TABLE audit_records (
    seq             INTEGER PRIMARY KEY,
    at              INTEGER NOT NULL,
    actor           TEXT    NOT NULL,
    organization_id BLOB,
    organization    TEXT,
    environment     TEXT,
    provider        TEXT,
    action          TEXT    NOT NULL,
    target          TEXT,
    version_id      BLOB,
    outcome         TEXT    NOT NULL,
    duration_us     INTEGER,
    request_id      TEXT,
    mac             BLOB    NOT NULL
) STRICT;
CREATE INDEX audit_by_organization ON audit_records (organization_id, seq);

-- One row, once old records were removed: the last of them, which the first kept one follows.
CREATE TABLE audit_anchor (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    mac  BLOB    NOT NULL,
    seal BLOB    NOT NULL
) STRICT;

-- Answers to requests with an Idempotency-Key, without the secret that was in them.
CREATE TABLE idempotency_keys (
    actor      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    request    BLOB    NOT NULL,
    answer     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;

-- The outbox of reminders: one row per subject, reason, threshold and channel.
CREATE TABLE reminders (
    id              TEXT    PRIMARY KEY,
    -- A credential version's id or a gateway key's.
    subject         TEXT    NOT NULL,
    organization_id BLOB,
    reason          TEXT    NOT NULL,
    -- Days before (or, below zero, after) the day on which the subject is due.
    threshold       INTEGER NOT NULL,
    channel         TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('pending', 'sent', 'superseded', 'dead')),
    created_at      INTEGER NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL,
    sent_at         INTEGER,
    last_error      TEXT,
    UNIQUE (subject, reason, threshold, channel)
) STRICT;
CREATE INDEX pending_reminders ON reminders (next_attempt_at) WHERE state = 'pending';

-- What only a running server knows of a profile; it writes it down every few seconds.
CREATE TABLE profile_health (
    organization_id  BLOB    NOT NULL,
    environment      TEXT    NOT NULL,
    provider         TEXT    NOT NULL,
    version_id       BLOB    NOT NULL,
    last_login_at    INTEGER,
    last_failure_at  INTEGER,
    last_failure     TEXT,
    token            TEXT    NOT NULL,
    token_expires_at INTEGER,
    calls_hour       INTEGER NOT NULL,
    errors_hour      INTEGER NOT NULL,
    written_at       INTEGER NOT NULL,
    PRIMARY KEY (organization_id, environment, provider)
) STRICT, WITHOUT ROWID;

-- One row while a server runs: when it last said so.
CREATE TABLE heartbeat (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    written_at INTEGER NOT NULL
) STRICT;
