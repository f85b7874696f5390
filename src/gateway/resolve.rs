//! Which tenant a request is for: the header or path selects among the principal's grants.
//!
//! There is no default tenant. Without a selection there is a tenant only where the grants leave
//! exactly one choice. What is unknown and what is not granted look the same.

use std::sync::Arc;

use jiff::Timestamp;

use super::Refusal;
use super::authenticate::Holder;
use super::directory::Directory;
use super::home::{Here, Home};
use crate::catalog::Catalog;
use crate::domain::organization::{OrganizationSlug, OrganizationState};
use crate::domain::principal::{Grant, Scope};
use crate::domain::tenant::Environment;

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

/// The place of the one tenant that selection and grants leave.
pub(super) fn place(
    directory: &Directory,
    principal: &Holder,
    selection: &Selection,
    now: Timestamp,
) -> Result<Here, Refusal> {
    let catalog = &directory.edition().catalog;
    let named = match &selection.organization {
        Some(slug) => Some(home(directory, principal, slug).ok_or(Refusal::TenantForbidden)?),
        None => None,
    };
    let grants = principal.grants.iter();
    let grants = grants.filter(|grant| grant.works_at(now));
    let granted = grants.filter_map(|grant| match named {
        Some(home) => (home.id == grant.organization).then_some((home, grant)),
        None => Some((directory.home_by_id(grant.organization)?, grant)),
    });
    let mut choices = granted.flat_map(|(home, grant)| {
        environments(home, catalog, grant, selection)
            .into_iter()
            .flatten()
            .map(move |environment| (home, environment))
    });
    match (choices.next(), choices.next()) {
        (Some((home, environment)), None) => active(directory, home, environment),
        (Some(_), Some(_)) => Err(Refusal::TenantRequired),
        (None, _) => Err(Refusal::TenantForbidden),
    }
}

/// The principal's own, which costs no look-up, or another organization's.
fn home<'a>(
    directory: &'a Directory,
    principal: &'a Holder,
    slug: &OrganizationSlug,
) -> Option<&'a Arc<Home>> {
    let own = principal.home().filter(|home| home.slug == *slug);
    own.or_else(|| directory.home(slug))
}

/// The environments of a grant that the selection leaves, no more than two of them: they show that
/// there is a choice. A grant for all of them means, where one
/// is named, those that some provider defines; and where none is, those with a credential.
fn environments<'a>(
    home: &'a Home,
    catalog: &'a Catalog,
    grant: &'a Grant,
    selection: &'a Selection,
) -> [Option<&'a Environment>; 2] {
    let known = |name: &Environment| {
        catalog
            .providers()
            .any(|p| p.environments.contains_key(name))
    };
    match (&*grant.environments, &selection.environment) {
        (Scope::Only(granted), Some(name)) => [granted.get(name), None],
        (Scope::Only(granted), None) => two(granted.iter()),
        (Scope::All, Some(name)) => [known(name).then_some(name), None],
        (Scope::All, None) => match two(home.environments()) {
            [None, _] => two(catalog.providers().flat_map(|p| p.environments.keys())),
            used => used,
        },
    }
}

/// The first, and the next that is another.
fn two<'a>(
    mut environments: impl Iterator<Item = &'a Environment>,
) -> [Option<&'a Environment>; 2] {
    let first = environments.next();
    [first, environments.find(|other| Some(*other) != first)]
}

fn active(
    directory: &Directory,
    home: &Arc<Home>,
    environment: &Environment,
) -> Result<Here, Refusal> {
    match home.state {
        OrganizationState::Suspended => Err(Refusal::OrganizationSuspended),
        OrganizationState::Active => {
            let place = Here::at(home, environment);
            Ok(place.unwrap_or_else(|| home.bare_place(environment, directory.revision())))
        }
    }
}
