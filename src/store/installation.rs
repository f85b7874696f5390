//! The one row that says which database this is and which key ring belongs to it.

use std::path::Path;

use jiff::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use uuid::Uuid;

use super::rows::get;
use super::{BUSY_TIMEOUT, StoreError, Write, schema};

/// What a key ring is checked against before anything is written.
pub struct Installation {
    pub database_id: Uuid,
    pub kek_id: String,
    pub key_check: Vec<u8>,
}

/// Reads the row through a read-only connection: a database whose key is wrong, or whose schema is
/// not known here, stays as it is.
pub async fn peek(path: &Path) -> Result<Installation, StoreError> {
    read(path).await.map_err(|error| error.of_file(path))
}

async fn read(path: &Path) -> Result<Installation, StoreError> {
    let mut connection = open_to_read(path).await?;
    schema::check(path, &mut connection, &schema::MIGRATIONS).await?;
    let row = match select(&mut connection).await {
        Ok(row) => row,
        Err(StoreError::Sqlx(sqlx::Error::Database(error)))
            if error.message().contains("no such table") =>
        {
            None
        }
        Err(error) => return Err(error),
    };
    connection.close().await?;
    row.ok_or_else(|| StoreError::Uninitialized(path.to_owned()))
}

async fn select(connection: &mut SqliteConnection) -> Result<Option<Installation>, StoreError> {
    let row = sqlx::query("SELECT database_id, kek_id, key_check FROM installation")
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(Installation {
            database_id: get(&row, "database_id")?,
            kek_id: get(&row, "kek_id")?,
            key_check: get(&row, "key_check")?,
        })
    })
    .transpose()
}

pub(super) async fn open_to_read(path: &Path) -> Result<SqliteConnection, StoreError> {
    super::check_exists(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT);
    Ok(SqliteConnection::connect_with(&options).await?)
}

impl Write {
    pub async fn installation(&mut self) -> Result<Installation, StoreError> {
        let row = select(&mut self.transaction).await?;
        row.ok_or(StoreError::Content("no row that says what it is"))
    }

    /// Writes the row of a new database.
    pub async fn insert_installation(
        &mut self,
        installation: &Installation,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO installation (id, database_id, kek_id, key_check, created_at)
             VALUES (1, ?, ?, ?, ?)",
        )
        .bind(installation.database_id)
        .bind(&installation.kek_id)
        .bind(&installation.key_check)
        .bind(now.as_millisecond())
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::unique(error, "the installation"))?;
        Ok(())
    }
}
