//! Rolling a gateway key: another takes its place, and for a while both work.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::keys::{HeldKey, by_id, for_each};
use super::{Admin, AdminError, IssuedKey, KeySummary};
use crate::domain::bearer_secret::{IssuedSecret, SecretKind};
use crate::domain::credential::LONGEST_GRACE;
use crate::domain::organization::OrganizationId;
use crate::domain::principal::{Grant, GrantEnd};
use crate::store::{GatewayKeyRow, NewGatewayKey, NewGrant, Write};
use crate::vault::random_bytes;

impl Admin {
    /// Issues a key with the same name, grants and length of life, unless `expires` names an end.
    /// The present one ends when `grace` is over, at the latest.
    pub async fn roll_key(
        &self,
        id: &str,
        grace: Duration,
        expires: Option<Timestamp>,
    ) -> Result<IssuedKey, AdminError> {
        let held = self.key_to_change(id).await?;
        if grace > LONGEST_GRACE {
            return Err(AdminError::field("grace", "is longer than a year"));
        }
        let now = self.now();
        if expires.is_some_and(|end| end <= now) {
            return Err(AdminError::unfit("expires", "is in the past"));
        }
        let (secret, public) = (random_bytes()?, random_bytes()?);
        let issued = IssuedSecret::from_random(SecretKind::GatewayKey, &secret, &public);
        let mut write = self.begin_with_key(id).await?;
        let former = self.key_to_roll(id, &held, now).await?;
        let row = NewGatewayKey {
            id: &issued.id,
            name: &former.name,
            hash: issued.hash,
            created_at: now,
            created_by: self.actor.name(),
            expires_at: expires.or_else(|| same_life(&former, now)),
            replaces: Some(id),
        };
        write.insert_gateway_key(&row).await?;
        copy_grants(&mut write, &former, &issued.id).await?;
        let end = end(&former, now, grace);
        if grace.is_zero() {
            self.revoke_held(&mut write, id, &held).await?;
        } else if held.whole {
            write.end_gateway_key(id, end).await?;
        } else {
            let end = GrantEnd {
                at: end,
                revoked: false,
            };
            write.end_grants(id, moved(&former), end).await?;
        }
        let summary = KeySummary {
            id: issued.id.clone(),
            created_at: now,
            created_by: row.created_by.to_owned(),
            expires: row.expires_at,
            replaces: Some(id.to_owned()),
            revision: 1,
            ..self.summary(former, &by_id(&held.organizations))
        };
        let event = self.event("key.roll").on(format!("{id} {}", issued.id));
        let events = for_each(event, &held.organizations);
        self.commit_creation(write, events, &summary).await?;
        Ok(IssuedKey {
            key: issued.secret,
            summary,
        })
    }

    /// A key that works and has no successor that does, with those grants that are to move. Nobody
    /// else writes meanwhile: what the readers see is the present.
    async fn key_to_roll(
        &self,
        id: &str,
        held: &HeldKey,
        now: Timestamp,
    ) -> Result<GatewayKeyRow, AdminError> {
        let mut keys = self.store.gateway_keys().await?;
        keys.retain(|key| key.works_at(now));
        let unknown = || AdminError::NoKey(id.to_owned());
        let at = keys.iter().position(|key| key.id == id);
        let mut former = keys.swap_remove(at.ok_or_else(unknown)?);
        let of_actor = |grant: &Grant| held.ids().any(|id| id == grant.organization);
        former.grants.retain(of_actor);
        // What ends before the key has a successor already, or was revoked.
        if former.lasting().next().is_some() {
            former.grants.retain(|grant| grant.end.is_none());
        }
        let moves = |grant: &Grant| moved(&former).any(|id| id == grant.organization);
        let mut successors = keys
            .iter()
            .filter(|key| key.replaces.as_deref() == Some(id));
        let successor = successors.find(|key| key.lasting().any(moves));
        if let Some(successor) = successor {
            return Err(AdminError::KeyRolled {
                id: id.to_owned(),
                successor: successor.id.clone(),
            });
        }
        let lasts = former.lasting().next().is_some();
        lasts.then_some(former).ok_or_else(unknown)
    }
}

/// The organizations that a successor opens instead.
fn moved(former: &GatewayKeyRow) -> impl Iterator<Item = OrganizationId> {
    former.grants.iter().map(|grant| grant.organization)
}

/// The end of a key that lives as long as another was to.
fn same_life(former: &GatewayKeyRow, now: Timestamp) -> Option<Timestamp> {
    let life = former.expires_at?.duration_since(former.created_at);
    Some(now.checked_add(life).unwrap_or(Timestamp::MAX))
}

fn end(former: &GatewayKeyRow, now: Timestamp, grace: Duration) -> Timestamp {
    let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
    let end = now.checked_add(grace).unwrap_or(Timestamp::MAX);
    former.expires_at.map_or(end, |own| own.min(end))
}

async fn copy_grants(
    write: &mut Write,
    former: &GatewayKeyRow,
    successor: &str,
) -> Result<(), AdminError> {
    for grant in &former.grants {
        let grant = NewGrant {
            organization: grant.organization,
            environments: &grant.environments,
            tools: &grant.filter.tools,
            read_only: grant.filter.read_only,
        };
        write.insert_grant(successor, &grant).await?;
    }
    Ok(())
}
