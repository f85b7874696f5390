//! Admin tokens, as hashes.

use jiff::Timestamp;

use super::{StoreError, Write};
use crate::domain::bearer_secret::SecretHash;

/// A token to be stored.
pub struct NewAdminToken<'a> {
    pub id: &'a str,
    pub role: &'a str,
    pub hash: SecretHash,
    pub created_at: Timestamp,
}

impl Write {
    pub async fn insert_admin_token(&mut self, new: &NewAdminToken<'_>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO admin_tokens (id, role, hash, created_at) VALUES (?, ?, ?, ?)")
            .bind(new.id)
            .bind(new.role)
            .bind(new.hash.as_slice())
            .bind(new.created_at.as_millisecond())
            .execute(&mut *self.transaction)
            .await
            .map_err(|error| StoreError::unique(error, "an admin token of this id"))?;
        Ok(())
    }
}
