//! The database file, opened by somebody who is not the program.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};

/// A connection of one's own.
pub async fn open(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Runs statements in the file and leaves.
pub async fn alter(path: &Path, statements: &str) {
    let mut database = open(path).await;
    let statements = AssertSqlSafe(statements.to_owned());
    let done = sqlx::raw_sql(statements).execute(&mut database).await;
    done.unwrap();
    database.close().await.unwrap();
}

/// From now on nobody adds a record to the audit log.
pub async fn refuse_records(path: &Path) {
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON audit_records
                  BEGIN SELECT RAISE(ABORT, 'refused'); END;
                  CREATE TRIGGER refuse_calls BEFORE INSERT ON audit_calls
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    alter(path, refuse).await;
}

/// The end of [`refuse_records`].
pub async fn accept_records(path: &Path) {
    alter(path, "DROP TRIGGER refuse; DROP TRIGGER refuse_calls").await;
}
