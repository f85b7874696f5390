-- Which tools a tenant has (JSON lists; allow_tools NULL: all), and values that its tools work with.
CREATE TABLE tenant_settings (
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    environment     TEXT    NOT NULL,
    allow_tools     TEXT,
    deny_tools      TEXT    NOT NULL,
    read_only       INTEGER NOT NULL CHECK (read_only IN (0, 1)),
    setting_values  TEXT    NOT NULL,
    PRIMARY KEY (organization_id, environment)
) STRICT;

-- Why a running server does not serve by the profiles and the configuration that are there now.
ALTER TABLE heartbeat ADD COLUMN configuration_problem TEXT;
