//! The beginning of a log: its key is made with the database, and the database's sealed check row says
//! so. From then on a missing key is one that somebody removed, and never the reason to make another.

use super::{Audit, AuditError};
use crate::store::{Store, StoredChainKey, Write};
use crate::vault::{KekId, KeyCheck, Vault, VaultError};

impl Audit {
    /// Makes the key of a new database's log; the check row that says so comes in the same change.
    pub async fn begin(write: &mut Write, vault: &Vault, kek: &KekId) -> Result<(), AuditError> {
        let (_, sealed) = vault.create_chain_key(kek)?;
        let kek_id = kek.to_string();
        let key = StoredChainKey { kek_id, sealed };
        Ok(write.insert_chain_key(&key).await?)
    }

    /// Makes the log's key, and the check row say so, where the database is older than this rule: its
    /// row vouches for the ring alone.
    pub async fn catch_up(store: &Store, vault: &Vault) -> Result<(), AuditError> {
        let mut write = store.write().await?;
        let installation = write.installation().await?;
        let kek = KekId::parse(&installation.kek_id).ok_or(VaultError::Refused)?;
        // Another process may have been faster.
        if vault.verify_check(&kek, &installation.key_check)? != KeyCheck::Ring {
            return Ok(());
        }
        if write.chain_key().await?.is_none() {
            if write.audit_head().await?.is_some() {
                return Err(AuditError::KeyGone);
            }
            Self::begin(&mut write, vault, &kek).await?;
        }
        let check = vault.seal_check(&kek)?;
        write.set_kek_in_use(kek.as_str(), &check).await?;
        Ok(write.commit_unnoticed().await?)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::audit::AuditEvent;
    use crate::domain::clock::{Clock, ManualClock};
    use crate::store::Installation;
    use crate::vault::KeyRing;

    /// A database of before the rule: its log has no key yet.
    async fn early(folder: &tempfile::TempDir) -> (Store, Vault, KekId) {
        let vault = Vault::new(KeyRing::generate().unwrap(), Uuid::from_u128(7));
        let store = Store::open(&folder.path().join("locum.db"), true)
            .await
            .unwrap();
        let kek = vault.ring().active();
        let installation = Installation {
            database_id: vault.database(),
            kek_id: kek.to_string(),
            key_check: vault.seal_early_check(&kek).unwrap(),
        };
        let mut write = store.write().await.unwrap();
        write
            .insert_installation(&installation, now())
            .await
            .unwrap();
        write.commit().await.unwrap();
        (store, vault, kek)
    }

    fn now() -> jiff::Timestamp {
        ManualClock::new("2026-11-25T12:00:00Z".parse().unwrap()).now()
    }

    #[tokio::test]
    async fn an_early_database_catches_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let (store, vault, kek) = early(&folder).await;
        Audit::catch_up(&store, &vault).await.unwrap();
        let key = store.chain_key().await.unwrap().unwrap().sealed;
        let mut write = store.write().await.unwrap();
        let check = write.installation().await.unwrap().key_check;
        drop(write);
        assert_eq!(vault.verify_check(&kek, &check), Ok(KeyCheck::RingAndChain));
        Audit::catch_up(&store, &vault).await.unwrap();
        assert_eq!(store.chain_key().await.unwrap().unwrap().sealed, key);
        Audit::open(&store, &vault).await.unwrap();
    }

    #[tokio::test]
    async fn records_without_their_key_get_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (store, vault, kek) = early(&folder).await;
        let mut write = store.write().await.unwrap();
        Audit::begin(&mut write, &vault, &kek).await.unwrap();
        write.commit().await.unwrap();
        let audit = Audit::open(&store, &vault).await.unwrap();
        let mut write = store.write().await.unwrap();
        let event = AuditEvent::new(now(), "local:priya".to_owned(), "org.create");
        audit.append(&mut write, event).await.unwrap();
        write.remove_chain_key().await.unwrap();
        write.commit().await.unwrap();
        let refused = Audit::catch_up(&store, &vault).await;
        assert!(matches!(refused, Err(AuditError::KeyGone)), "{refused:?}");
    }
}
