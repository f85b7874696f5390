-- One row, from the deletion of an organization until the write-ahead log was emptied: the revision
-- at which it was deleted.
CREATE TABLE unemptied_log (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    since INTEGER NOT NULL
) STRICT;
