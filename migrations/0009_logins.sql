-- A login that succeeded is written down with its version, also by a call. That is no change of what
-- belongs to the organization, and what If-Match compares stays as it was.
DROP TRIGGER credential_changed;
CREATE TRIGGER credential_changed
AFTER UPDATE OF state, state_at, grace_ends_at, refused_at, refusal ON credential_versions BEGIN
    UPDATE organizations SET revision = revision + 1 WHERE id = NEW.organization_id;
END;

-- Known until now by the profile alone.
UPDATE credential_versions
SET verified_at = MAX(COALESCE(verified_at, 0), health.last_login_at)
FROM profile_health AS health
WHERE health.version_id = credential_versions.id AND health.last_login_at IS NOT NULL;
