//! Organization keys under another key of the key ring: opened under the one, sealed under the other,
//! some at a time. What they seal stays as it is.

use uuid::Uuid;

use super::Credentials;
use crate::domain::organization::OrganizationId;
use crate::domain::tenant::Environment;
use crate::store::{StoreError, StoredKey, StoredKeyOf, Write};
use crate::vault::{KekId, VaultError};

/// Some organization keys, re-wrapped in one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    pub rewrapped: u64,
    /// Those that stay under their key.
    pub unopened: Vec<Unopened>,
    /// The last key that was looked at; `None` when there were no more.
    pub last: Option<Uuid>,
}

/// An organization key that does not open.
#[derive(Debug, Clone)]
pub struct Unopened {
    pub organization: OrganizationId,
    pub environment: Environment,
    pub kek_id: String,
    pub reason: VaultError,
}

impl Credentials {
    /// Re-wraps up to `limit` of the organization keys after one. One that does not open is left
    /// as it is.
    pub async fn rewrap(
        &self,
        write: &mut Write,
        to: &KekId,
        after: Uuid,
        limit: i64,
    ) -> Result<Batch, StoreError> {
        let found = write.organization_keys_not_under(to.as_str(), after, limit);
        let mut batch = Batch::default();
        for stored in found.await? {
            batch.last = Some(stored.key.id);
            match self.rewrapped(&stored, to) {
                Ok(sealed) => {
                    let (id, kek_id) = (stored.key.id, to.to_string());
                    let key = StoredKey { id, kek_id, sealed };
                    write.rewrap_organization_key(&key).await?;
                    batch.rewrapped += 1;
                }
                Err(reason) => batch.unopened.push(Unopened {
                    organization: stored.organization,
                    environment: stored.environment,
                    kek_id: stored.key.kek_id,
                    reason,
                }),
            }
        }
        Ok(batch)
    }

    fn rewrapped(&self, stored: &StoredKeyOf, to: &KekId) -> Result<Vec<u8>, VaultError> {
        let from = KekId::parse(&stored.key.kek_id).ok_or(VaultError::Refused)?;
        let place = self.place(stored.organization, &stored.environment, stored.key.id);
        self.vault
            .rewrap_organization_key(place, (&from, to), &stored.key.sealed)
    }
}
