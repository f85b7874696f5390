//! Rolling a gateway key: another takes its place, and for a while both work.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::held_key::{HeldKey, ids};
use super::keys::{by_id, for_each};
use super::{Admin, AdminError, IssuedKey, KeySummary};
use crate::domain::bearer_secret::{IssuedSecret, SecretKind};
use crate::domain::credential::LONGEST_GRACE;
use crate::domain::principal::Grant;
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
        self.key_to_change(id).await?;
        if grace > LONGEST_GRACE {
            return Err(AdminError::field("grace", "is longer than a year"));
        }
        let now = self.now();
        if expires.is_some_and(|end| end <= now) {
            return Err(AdminError::unfit("expires", "is in the past"));
        }
        let (secret, public) = (random_bytes()?, random_bytes()?);
        let issued = IssuedSecret::from_random(SecretKind::GatewayKey, &secret, &public);
        let (mut write, held) = self.begin_with_held_key(id).await?;
        let former = self.key_to_roll(&held, now).await?;
        let moved = former.grants.clone();
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
            self.end_now(&mut write, &held, &moved).await?;
        } else if held.is_all(&moved) {
            write.end_gateway_key(id, end).await?;
        } else {
            write.end_grants(id, ids(&moved), end).await?;
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
        let events = for_each(event, &held.of(&moved));
        self.commit_creation(write, events, &summary).await?;
        Ok(IssuedKey {
            key: issued.secret,
            summary,
        })
    }

    /// A key that works, with those grants that are to move: that work, are the actor's to change, and
    /// have no successor that works. It ends when they do. Nobody else writes meanwhile: what the
    /// readers see is the present.
    async fn key_to_roll(
        &self,
        held: &HeldKey,
        now: Timestamp,
    ) -> Result<GatewayKeyRow, AdminError> {
        let id = &held.key.id;
        let unknown = || AdminError::NoKey(id.clone());
        let mut keys = self.store.gateway_keys().await?;
        keys.retain(|key| key.works_at(now));
        let at = keys.iter().position(|key| key.id == *id);
        let mut former = keys.swap_remove(at.ok_or_else(unknown)?);
        let is_held = |grant: &Grant| ids(&held.grants).any(|id| id == grant.organization);
        former
            .grants
            .retain(|grant| grant.works_at(now) && is_held(grant));
        if former.grants.is_empty() {
            return Err(unknown());
        }
        keys.retain(|key| key.replaces.as_ref() == Some(id));
        let successor = |grant: &Grant| {
            let opens = |it: &Grant| it.organization == grant.organization && it.works_at(now);
            keys.iter().find(|key| key.grants.iter().any(opens))
        };
        let rolled = former.grants.iter().find_map(successor);
        let rolled = rolled.map(|successor| successor.id.clone());
        former.grants.retain(|grant| successor(grant).is_none());
        if let (Some(successor), true) = (rolled, former.grants.is_empty()) {
            let id = id.clone();
            return Err(AdminError::KeyRolled { id, successor });
        }
        // What moves was to end when the last of it was; a part's own end is nothing to a successor.
        former.expires_at = former.end();
        for grant in &mut former.grants {
            grant.ends_at = None;
        }
        Ok(former)
    }
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
