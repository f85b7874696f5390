-- Records of calls, many in a row: a row of audit_records for each cost more than the rest of its
-- call. They stand in the same chain and have numbers of the same sequence.
CREATE TABLE audit_calls (
    -- The numbers of the first record and of the last.
    first         INTEGER PRIMARY KEY,
    last          INTEGER NOT NULL,
    -- When the earliest of them was written, and the latest.
    earliest      INTEGER NOT NULL,
    latest        INTEGER NOT NULL,
    -- The ids of the organizations that they are about, 16 bytes each.
    organizations BLOB    NOT NULL,
    -- Each record's bytes as its mac covers them, and its mac.
    records       BLOB    NOT NULL
) STRICT;
