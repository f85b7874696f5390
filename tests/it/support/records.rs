//! What stands in a database, looked at from outside: that it is whole, and what it holds.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Row};

/// Everything in a database that a change may be half of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// Slug → name and state.
    pub organizations: BTreeMap<String, (String, String)>,
    /// Profile (slug/environment) → id of the active version.
    pub active: BTreeMap<String, String>,
    /// Version (slug/environment/number) → its state, and `, verified` for one that has logged in.
    pub versions: BTreeMap<String, String>,
    /// Key id → the key whose place it has taken.
    pub replaced: BTreeMap<String, String>,
    /// How many records the audit log has.
    pub audit: i64,
    /// Key id → whether it was revoked, and its number of grants.
    pub keys: BTreeMap<String, (bool, i64)>,
    /// Admin token id → its state.
    pub tokens: BTreeMap<String, String>,
    /// Tenant (slug/environment) → its limits: per minute, per day, concurrency; its values.
    pub limits: BTreeMap<String, String>,
    /// Reminder id → its state.
    pub reminders: BTreeMap<String, String>,
    pub revision: i64,
}

/// Questions whose answer is a number of mistakes.
const MISTAKES: [&str; 6] = [
    "SELECT COUNT(*) FROM pragma_foreign_key_check",
    "SELECT COUNT(*) FROM credential_versions v WHERE state NOT IN ('revoked', 'cancelled')
     AND 2 > (SELECT COUNT(*)
     FROM credential_fields f WHERE f.version_id = v.id AND sealed IS NOT NULL)",
    "SELECT COUNT(*) FROM credential_versions v JOIN credential_fields f ON f.version_id = v.id
     WHERE state IN ('revoked', 'cancelled') AND sealed IS NOT NULL",
    "SELECT COUNT(*) FROM audit_records WHERE seq > (SELECT COUNT(*) FROM audit_records)
     + (SELECT COALESCE(MAX(seq), 0) FROM audit_anchor)
     + (SELECT COALESCE(SUM(last - first + 1), 0) FROM audit_calls)",
    "SELECT COUNT(*) FROM gateway_keys k WHERE revoked_at IS NULL AND NOT EXISTS
     (SELECT 1 FROM gateway_key_grants g WHERE g.key_id = k.id)",
    "SELECT COUNT(*) FROM organization_keys k WHERE NOT EXISTS
     (SELECT 1 FROM credential_fields f WHERE f.key_id = k.id)",
];

impl Records {
    /// Reads a database that has to be whole.
    pub async fn read(path: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(path);
        let mut database = SqliteConnection::connect_with(&options).await.unwrap();
        let check = texts(&mut database, "PRAGMA integrity_check").await;
        assert_eq!(check, [["ok"]], "{}", path.display());
        for question in MISTAKES {
            let mistakes =
                texts(&mut database, &format!("SELECT CAST(({question}) AS TEXT)")).await;
            assert_eq!(mistakes, [["0"]], "{question}");
        }
        let organizations = texts(&mut database, "SELECT slug, name, state FROM organizations");
        let organizations = organizations.await.into_iter().map(|row| {
            let [slug, name, state] = row.try_into().unwrap();
            (slug, (name, state))
        });
        let organizations = organizations.collect();
        let active = texts(
            &mut database,
            "SELECT slug || '/' || environment, lower(hex(v.id)) FROM credential_versions v
             JOIN organizations o ON o.id = organization_id WHERE v.state = 'active'",
        );
        let active = active.await.into_iter().map(pair).collect();
        let versions = texts(
            &mut database,
            "SELECT slug || '/' || environment || '/' || version, v.state ||
             CASE WHEN verified_at IS NULL THEN '' ELSE ', verified' END
             FROM credential_versions v JOIN organizations o ON o.id = organization_id",
        );
        let versions = versions.await.into_iter().map(pair).collect();
        let replaced = texts(
            &mut database,
            "SELECT id, replaces FROM gateway_keys WHERE replaces IS NOT NULL",
        );
        let replaced = replaced.await.into_iter().map(pair).collect();
        let audit = texts(
            &mut database,
            "SELECT CAST(COUNT(*) AS TEXT) FROM audit_records",
        );
        let audit = audit.await[0][0].parse().unwrap();
        let keys = texts(
            &mut database,
            "SELECT id, CAST(revoked_at IS NOT NULL AS TEXT), CAST((SELECT COUNT(*)
             FROM gateway_key_grants WHERE key_id = id) AS TEXT) FROM gateway_keys",
        );
        let keys = keys.await.into_iter().map(|row| {
            let [id, revoked, grants]: [String; 3] = row.try_into().unwrap();
            (id, (revoked == "1", grants.parse().unwrap()))
        });
        let keys = keys.collect();
        let tokens = texts(
            &mut database,
            "SELECT id, iif(revoked_at IS NULL, 'active', 'revoked') FROM admin_tokens",
        );
        let tokens = tokens.await.into_iter().map(pair).collect();
        let limits = texts(
            &mut database,
            "SELECT slug || '/' || environment,
                 printf('%s %s %s %s', per_minute, per_day, concurrency, setting_values)
             FROM tenant_limits JOIN organizations o ON o.id = organization_id
                 LEFT JOIN tenant_settings USING (organization_id, environment)",
        );
        let limits = limits.await.into_iter().map(pair).collect();
        let reminders = texts(&mut database, "SELECT id, state FROM reminders").await;
        let reminders = reminders.into_iter().map(pair).collect();
        let revision = texts(&mut database, "SELECT CAST(value AS TEXT) FROM revision").await;
        database.close().await.unwrap();
        Self {
            organizations,
            active,
            versions,
            replaced,
            audit,
            keys,
            tokens,
            limits,
            reminders,
            revision: revision[0][0].parse().unwrap(),
        }
    }
}

fn pair(row: Vec<String>) -> (String, String) {
    let [one, other] = row.try_into().unwrap();
    (one, other)
}

async fn texts(database: &mut SqliteConnection, sql: &str) -> Vec<Vec<String>> {
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(database);
    let rows = rows.await.unwrap();
    let text =
        |row: &sqlx::sqlite::SqliteRow| (0..row.len()).map(|column| row.get(column)).collect();
    rows.iter().map(text).collect()
}
