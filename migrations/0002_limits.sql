-- What a tenant may ask of its upstreams: NULL takes the configured default, 0 stands for no limit.
CREATE TABLE tenant_limits (
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    environment     TEXT    NOT NULL,
    per_minute      INTEGER CHECK (per_minute >= 0),
    per_day         INTEGER CHECK (per_day >= 0),
    concurrency     INTEGER CHECK (concurrency >= 0),
    PRIMARY KEY (organization_id, environment)
) STRICT;

-- Calls and upstream requests of a tenant on one day (UTC; days since 1970).
CREATE TABLE tenant_usage (
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    environment     TEXT    NOT NULL,
    day             INTEGER NOT NULL,
    calls           INTEGER NOT NULL,
    requests        INTEGER NOT NULL,
    PRIMARY KEY (organization_id, environment, day)
) STRICT, WITHOUT ROWID;
