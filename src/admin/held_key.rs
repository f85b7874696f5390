//! What somebody may change of a gateway key: all of it, or what it opens in the organizations that they
//! know of. Revoking it.

use super::keys::{by_id, for_each};
use super::{Admin, AdminError};
use crate::domain::actor::Right;
use crate::domain::organization::{Organization, OrganizationId};
use crate::domain::principal::Grant;
use crate::store::{GatewayKeyRow, Write};

/// A key, and what the actor may change of it. Where that is not all, the actor is not to notice.
pub(super) struct HeldKey {
    pub key: GatewayKeyRow,
    pub organizations: Vec<Organization>,
    /// Those of the key's grants that the actor may change.
    pub grants: Vec<Grant>,
}

impl HeldKey {
    /// Whether some grants are all that the key has.
    pub(super) fn is_all(&self, grants: &[Grant]) -> bool {
        grants.len() == self.key.grants.len()
    }

    /// The organizations of some grants.
    pub(super) fn of(&self, grants: &[Grant]) -> Vec<Organization> {
        let is_meant = |one: &&Organization| ids(grants).any(|id| id == one.id);
        self.organizations
            .iter()
            .filter(is_meant)
            .cloned()
            .collect()
    }
}

impl Admin {
    pub async fn revoke_key(&self, id: &str) -> Result<(), AdminError> {
        // Who may not does not wait for others' changes.
        self.key_to_change(id).await?;
        let (mut write, held) = self.begin_with_held_key(id).await?;
        let grants = held.grants.iter().filter(|grant| !grant.revoked);
        let grants: Vec<Grant> = grants.cloned().collect();
        if held.key.revoked_at.is_some() || grants.is_empty() {
            return Err(AdminError::NoKey(id.to_owned()));
        }
        self.end_now(&mut write, &held, &grants).await?;
        let event = self.event("key.revoke").on(id);
        self.commit(write, for_each(event, &held.of(&grants))).await
    }

    /// Revokes some grants of a key: the key itself where there are no others.
    pub(super) async fn end_now(
        &self,
        write: &mut Write,
        held: &HeldKey,
        grants: &[Grant],
    ) -> Result<(), AdminError> {
        let id = held.key.id.as_str();
        // What somebody else ended is no reason to leave the key as it is.
        match held.is_all(&held.grants) && grants.len() == held.key.unrevoked().count() {
            true => drop(write.revoke_gateway_key(id, self.now()).await?),
            false => write.revoke_grants(id, ids(grants)).await?,
        }
        Ok(())
    }

    /// Starts a change of a key, which has to be as the actor expects it. Nobody else writes meanwhile:
    /// it stays as it is read here.
    pub(super) async fn begin_with_held_key(
        &self,
        id: &str,
    ) -> Result<(Write, HeldKey), AdminError> {
        let write = self.begin_with_key(id).await?;
        Ok((write, self.key_to_change(id).await?))
    }

    /// What the actor may change of a key.
    pub(super) async fn key_to_change(&self, id: &str) -> Result<HeldKey, AdminError> {
        let (key, organizations) = self.known_key(id).await?;
        for organization in &organizations {
            self.require_for(Right::Operate, organization)?;
        }
        let known = by_id(&organizations);
        let grants = key.grants.iter();
        let grants = grants.filter(|grant| known.contains_key(&grant.organization));
        Ok(HeldKey {
            grants: grants.cloned().collect(),
            organizations,
            key,
        })
    }
}

/// The organizations that some grants open.
pub(super) fn ids(grants: &[Grant]) -> impl Iterator<Item = OrganizationId> {
    grants.iter().map(|grant| grant.organization)
}
