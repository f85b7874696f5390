-- An organization that was deleted is found in the audit log by the id that it had: its last record.
CREATE INDEX audit_of_deleted ON audit_records (organization) WHERE action = 'org.delete';
