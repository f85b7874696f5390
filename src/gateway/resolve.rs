//! Which tenant a request is for: the header or path selects among the principal's grants.
//!
//! There is no default tenant. Without a selection there is a tenant only where the grants leave
//! exactly one choice. What is unknown and what is not granted look the same.

use std::collections::BTreeSet;

use super::{Directory, Refusal};
use crate::catalog::Catalog;
use crate::domain::organization::{Organization, OrganizationSlug, OrganizationState};
use crate::domain::principal::{Grant, Principal, Scope};
use crate::domain::tenant::{Environment, Tenant};

/// What a request names, checked for form only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    pub organization: Option<OrganizationSlug>,
    pub environment: Option<Environment>,
}

/// A name that occurs twice, is empty or malformed, or stands against another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectionError;

impl Selection {
    /// Reads what the path and the headers name; where both do, they have to agree.
    pub fn read<'a>(
        organization: (Option<&str>, impl Iterator<Item = &'a [u8]>),
        environment: (Option<&str>, impl Iterator<Item = &'a [u8]>),
    ) -> Result<Self, SelectionError> {
        Ok(Self {
            organization: one(organization.0, organization.1)?,
            environment: one(environment.0, environment.1)?,
        })
    }
}

fn one<'a, T: std::str::FromStr + PartialEq>(
    path: Option<&str>,
    mut headers: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<T>, SelectionError> {
    let parse = |text: &str| text.parse::<T>().map_err(|_| SelectionError);
    let path = path.map(parse).transpose()?;
    let header = headers
        .next()
        .map(|bytes| {
            std::str::from_utf8(bytes)
                .map_err(|_| SelectionError)
                .and_then(parse)
        })
        .transpose()?;
    match (path, header, headers.next()) {
        (_, _, Some(_)) => Err(SelectionError),
        (Some(path), Some(header), None) if path != header => Err(SelectionError),
        (Some(path), _, None) => Ok(Some(path)),
        (None, header, None) => Ok(header),
    }
}

/// The one tenant that selection and grants leave.
pub(super) fn tenant(
    directory: &Directory,
    catalog: &Catalog,
    principal: &Principal,
    selection: &Selection,
) -> Result<Tenant, Refusal> {
    if let Some(slug) = &selection.organization {
        let id = directory
            .organization(slug.as_str())
            .map(|organization| organization.id);
        if !principal
            .grants
            .iter()
            .any(|grant| Some(grant.organization) == id)
        {
            return Err(Refusal::TenantForbidden);
        }
    }
    let mut choices = principal.grants.iter().flat_map(|grant| {
        let organization = directory.organization_by_id(grant.organization);
        organization
            .into_iter()
            .filter(|organization| selected(&selection.organization, &organization.slug))
            .flat_map(move |organization| {
                environments(directory, catalog, grant, selection)
                    .into_iter()
                    .map(move |environment| (organization, environment))
            })
    });
    match (choices.next(), choices.next()) {
        (Some((organization, environment)), None) => active(organization, environment),
        (Some(_), Some(_)) => Err(Refusal::TenantRequired),
        (None, _) => Err(Refusal::TenantForbidden),
    }
}

fn selected<T: PartialEq>(selection: &Option<T>, candidate: &T) -> bool {
    selection
        .as_ref()
        .is_none_or(|selection| selection == candidate)
}

/// The environments of a grant that the selection leaves. A grant for all of them means, where one
/// is named, those that some provider defines; and where none is, those with a credential.
fn environments(
    directory: &Directory,
    catalog: &Catalog,
    grant: &Grant,
    selection: &Selection,
) -> BTreeSet<Environment> {
    let known = |name: &Environment| {
        catalog
            .providers()
            .any(|p| p.environments.contains_key(name))
    };
    match (&grant.environments, &selection.environment) {
        (Scope::Only(granted), Some(name)) => granted.get(name).into_iter().cloned().collect(),
        (Scope::Only(granted), None) => granted.clone(),
        (Scope::All, Some(name)) => known(name).then(|| name.clone()).into_iter().collect(),
        (Scope::All, None) => {
            let used: BTreeSet<_> = directory
                .environments(grant.organization)
                .cloned()
                .collect();
            if !used.is_empty() {
                return used;
            }
            catalog
                .providers()
                .flat_map(|p| p.environments.keys())
                .cloned()
                .collect()
        }
    }
}

fn active(organization: &Organization, environment: Environment) -> Result<Tenant, Refusal> {
    match organization.state {
        OrganizationState::Suspended => Err(Refusal::OrganizationSuspended),
        OrganizationState::Active => Ok(Tenant {
            organization: organization.id,
            slug: organization.slug.clone(),
            environment,
        }),
    }
}
