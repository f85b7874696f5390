//! What a filter of the audit log asks for, of what the actor may see. A name that nothing has, now or
//! in the log, is refused: an empty answer would look like one about something.

use uuid::Uuid;

use super::{Admin, AdminError, AuditFilter, AuditSearch};
use crate::domain::actor::Right;
use crate::domain::organization::{OrganizationId, OrganizationSlug};
use crate::store::AuditQuery;

impl Admin {
    /// Looks through the whole log for a name that nothing has now.
    pub async fn audit_search(&self, filter: &AuditFilter) -> Result<AuditSearch, AdminError> {
        self.search_within(filter, usize::MAX).await
    }

    /// Looks through so many pages for it, and takes it for one that the log has beyond them.
    pub(super) async fn search_within(
        &self,
        filter: &AuditFilter,
        pages: usize,
    ) -> Result<AuditSearch, AdminError> {
        let organizations = match (&filter.organization, self.actor.scope()) {
            (Some(name), _) => {
                let found = self.audited_organizations(name).await?;
                found.into_iter().map(Some).collect()
            }
            (None, Some(own)) => vec![Some(own)],
            (None, None) => {
                self.require(Right::Read)?;
                vec![None]
            }
        };
        if let (Some(since), Some(until)) = (filter.since, filter.until)
            && since > until
        {
            return Err(AdminError::unfit("until", "it is before `since`"));
        }
        self.require_known(filter, pages).await?;
        let of = |organization| filter.query(organization);
        Ok(AuditSearch {
            store: self.store.clone(),
            queries: organizations.into_iter().map(of).collect(),
        })
    }

    /// The organizations that have this id or UUID, or had it until they were deleted. Who sees one
    /// only learns nothing of others.
    async fn audited_organizations(&self, name: &str) -> Result<Vec<OrganizationId>, AdminError> {
        let is_global = self.actor.scope().is_none();
        let uuid = Uuid::try_parse(name).ok().map(OrganizationId);
        if let Some(id) = uuid.filter(|id| self.actor.may(Right::Read, Some(*id)))
            && (!is_global || self.was_organization(id).await?)
        {
            return Ok(vec![id]);
        }
        let slug = OrganizationSlug::parse(name)
            .map_err(|error| AdminError::field("org", error.to_string()))?;
        let mut found = match is_global {
            true => self.store.deleted_organizations(&slug).await?,
            false => Vec::new(),
        };
        match self.organization(&slug).await {
            Ok(present) => found.push(present.id),
            Err(AdminError::NoOrganization { .. }) if !found.is_empty() => {}
            Err(error) => return Err(error),
        }
        Ok(found)
    }

    async fn was_organization(&self, id: OrganizationId) -> Result<bool, AdminError> {
        let present = self.store.organizations_with([id]).await?;
        Ok(!present.is_empty() || self.store.was_deleted(id).await?)
    }

    /// Refuses an environment and a provider that no profile describes and no record that the actor
    /// may see is about.
    async fn require_known(&self, filter: &AuditFilter, pages: usize) -> Result<(), AdminError> {
        let catalog = self.catalog();
        let mut providers = catalog.providers();
        if let Some(name) = &filter.environment
            && !providers.any(|known| known.environments.keys().any(|env| env.as_str() == name))
        {
            let query = AuditQuery {
                environment: Some(name.clone()),
                ..AuditQuery::default()
            };
            self.require_recorded(("environment", name), query, pages)
                .await?;
        }
        if let Some(name) = &filter.provider
            && catalog.provider(name).is_none()
        {
            let query = AuditQuery {
                provider: Some(name.clone()),
                ..AuditQuery::default()
            };
            self.require_recorded(("provider", name), query, pages)
                .await?;
        }
        Ok(())
    }

    async fn require_recorded(
        &self,
        (what, name): (&'static str, &str),
        query: AuditQuery,
        pages: usize,
    ) -> Result<(), AdminError> {
        let query = AuditQuery {
            organization: self.actor.scope(),
            ..query
        };
        if self.store.may_have_audit_record(&query, pages).await? {
            return Ok(());
        }
        let name = name.to_owned();
        Err(AdminError::Unrecorded { what, name })
    }
}

impl AuditFilter {
    fn query(&self, organization: Option<OrganizationId>) -> AuditQuery {
        let Self {
            environment,
            provider,
            actor,
            action,
            outcome,
            since,
            until,
            ..
        } = self.clone();
        AuditQuery {
            organization,
            environment,
            provider,
            actor,
            action,
            outcome,
            since,
            until,
        }
    }
}
