//! What tenants used, written down from time to time, so that a day's count outlives the process.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Gateway;
use super::turn::Turn;
use crate::domain::tenant::Tenant;
use crate::domain::usage::{Day, Usage};
use crate::store::{Store, StoreError, StoredUsage};

/// What was written down of today.
pub(super) async fn of_today(
    store: &Store,
    now: Timestamp,
) -> Result<HashMap<Tenant, Usage>, StoreError> {
    let organizations = store.organizations().await?.into_iter();
    let slugs: HashMap<_, _> = organizations.map(|found| (found.id, found.slug)).collect();
    let stored = store.usage_on(Day::of(now)).await?.into_iter();
    let of_tenant = stored.filter_map(|stored| {
        let tenant = Tenant {
            organization: stored.organization,
            slug: slugs.get(&stored.organization)?.clone(),
            environment: stored.environment,
        };
        Some((tenant, stored.usage))
    });
    Ok(of_tenant.collect())
}

impl Gateway {
    /// Writes down what those whose turn it is used since the last time: where a limit of the day depends on it,
    /// else when all numbers are written. What cannot be written now is kept for the next time.
    pub async fn save_usage(&self, turn: &Turn) -> Result<(), StoreError> {
        let unsaved = self.admission.take_unsaved(turn);
        if unsaved.is_empty() {
            return Ok(());
        }
        let written = self.write_usage(&unsaved).await;
        if written.is_err() {
            self.admission.put_back(unsaved);
        }
        written
    }

    async fn write_usage(&self, unsaved: &[(Tenant, Usage)]) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        let used: Vec<_> = unsaved.iter().map(stored).collect();
        write.add_usage(&used).await?;
        write.commit_unnoticed().await
    }
}

fn stored((tenant, usage): &(Tenant, Usage)) -> StoredUsage {
    StoredUsage {
        organization: tenant.organization,
        environment: tenant.environment.clone(),
        usage: *usage,
    }
}
