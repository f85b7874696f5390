-- The mac of a batch's last record, which the next record follows, stands before the records: who
-- adds to the log reads it and nothing of them. SQLite reads all that stands before a column, and a
-- new column stands last: the table is made anew.
CREATE TABLE audit_calls_8 (
    -- The numbers of the first record and of the last.
    first         INTEGER PRIMARY KEY,
    last          INTEGER NOT NULL,
    -- The last record's mac.
    mac           BLOB    NOT NULL,
    -- When the earliest of them was written, and the latest.
    earliest      INTEGER NOT NULL,
    latest        INTEGER NOT NULL,
    -- The ids of the organizations that they are about, 16 bytes each.
    organizations BLOB    NOT NULL,
    -- Each record's bytes as its mac covers them, and its mac.
    records       BLOB    NOT NULL
) STRICT;
INSERT INTO audit_calls_8 (first, last, mac, earliest, latest, organizations, records)
SELECT first, last, substr(records, -32), earliest, latest, organizations, records
FROM audit_calls;
DROP TABLE audit_calls;
ALTER TABLE audit_calls_8 RENAME TO audit_calls;
