//! Organizations.

use super::rows::{at_most, hex_list, organization, read_each};
use super::{Store, StoreError, Write};
use crate::domain::organization::{
    Organization, OrganizationId, OrganizationSlug, OrganizationState,
};

impl Store {
    /// All organizations, by slug.
    pub async fn organizations(&self) -> Result<Vec<Organization>, StoreError> {
        let question = "SELECT * FROM organizations ORDER BY slug";
        read_each(&self.readers, question, organization).await
    }

    /// Some of them, in the order of their slugs: of all, or the one.
    pub async fn organizations_after(
        &self,
        after: Option<&OrganizationSlug>,
        only: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<Organization>, StoreError> {
        sqlx::query(
            "SELECT * FROM organizations WHERE slug > ?1 AND (?2 IS NULL OR id = ?2)
             ORDER BY slug LIMIT ?3",
        )
        .bind(after.map_or("", OrganizationSlug::as_str))
        .bind(only.map(|id| id.0))
        .bind(at_most(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(organization)
        .collect()
    }

    /// Those of these ids that are there, by slug.
    pub async fn organizations_with(
        &self,
        ids: impl IntoIterator<Item = OrganizationId>,
    ) -> Result<Vec<Organization>, StoreError> {
        sqlx::query(
            "SELECT * FROM organizations WHERE id IN (SELECT unhex(value) FROM json_each(?))
             ORDER BY slug",
        )
        .bind(hex_list(ids))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(organization)
        .collect()
    }

    pub async fn organization(
        &self,
        slug: &OrganizationSlug,
    ) -> Result<Option<Organization>, StoreError> {
        sqlx::query("SELECT * FROM organizations WHERE slug = ?")
            .bind(slug.as_str())
            .fetch_optional(&self.readers)
            .await?
            .as_ref()
            .map(organization)
            .transpose()
    }
}

impl Write {
    /// The present revision of an organization.
    pub async fn organization_revision(
        &mut self,
        id: OrganizationId,
    ) -> Result<Option<i64>, StoreError> {
        Ok(
            sqlx::query_scalar("SELECT revision FROM organizations WHERE id = ?")
                .bind(id.0)
                .fetch_optional(&mut *self.transaction)
                .await?,
        )
    }

    pub async fn insert_organization(&mut self, new: &Organization) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO organizations (id, slug, name, state, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(new.id.0)
        .bind(new.slug.as_str())
        .bind(&new.name)
        .bind(new.state.as_str())
        .bind(new.created_at.as_millisecond())
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::unique(error, "an organization of this id"))?;
        Ok(())
    }

    pub async fn rename_organization(
        &mut self,
        id: OrganizationId,
        name: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE organizations SET name = ? WHERE id = ?")
            .bind(name)
            .bind(id.0)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    pub async fn set_organization_state(
        &mut self,
        id: OrganizationId,
        state: OrganizationState,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE organizations SET state = ? WHERE id = ?")
            .bind(state.as_str())
            .bind(id.0)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}
