//! What paths and queries name. A name that nothing can have is the name of nothing.

use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::admin::AdminError;
use crate::domain::credential::CredentialVersionId;
use crate::domain::organization::OrganizationSlug;
use crate::domain::tenant::Environment;

/// `{org}` of a path.
pub(super) struct OrgPath(pub OrganizationSlug);

/// `{org}`, `{env}` and `{provider}` of a path.
pub(super) struct CredentialPath {
    pub org: OrganizationSlug,
    pub env: Environment,
    pub provider: String,
}

/// `{org}`, `{env}`, `{provider}` and `{id}` of a path: a rotation, named by its version.
pub(super) struct RotationPath {
    pub org: OrganizationSlug,
    pub env: Environment,
    pub provider: String,
    pub id: CredentialVersionId,
}

/// `{id}` of a path.
pub(super) struct IdPath(pub String);

/// A query whose every field is known.
pub(super) struct Asked<T>(pub T);

#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    org: String,
    #[serde(default)]
    env: String,
    #[serde(default)]
    provider: String,
    #[serde(default)]
    id: String,
}

impl Names {
    async fn of<S: Sync + Send>(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<Self>::from_request_parts(parts, state).await;
        let Path(names) = path.map_err(|_| no_organization(String::new()))?;
        Ok(names)
    }

    fn org(&self) -> Result<OrganizationSlug, Refusal> {
        let org = OrganizationSlug::parse(&self.org);
        org.map_err(|_| no_organization(self.org.clone()))
    }
}

fn no_organization(name: String) -> Refusal {
    Refusal::Admin(AdminError::NoOrganization {
        name,
        hint: String::new(),
    })
}

impl<S: Sync + Send> FromRequestParts<S> for OrgPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(Names::of(parts, state).await?.org()?))
    }
}

impl<S: Sync + Send> FromRequestParts<S> for IdPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(Names::of(parts, state).await?.id))
    }
}

impl<S: Sync + Send> FromRequestParts<S> for CredentialPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let names = Names::of(parts, state).await?;
        let org = names.org()?;
        let env = Environment::parse(&names.env).map_err(|_| {
            Refusal::Admin(AdminError::NoEnvironment {
                provider: names.provider.clone(),
                environment: names.env.clone(),
                hint: String::new(),
            })
        })?;
        Ok(Self {
            org,
            env,
            provider: names.provider,
        })
    }
}

impl<S: Sync + Send> FromRequestParts<S> for RotationPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let CredentialPath { org, env, provider } =
            CredentialPath::from_request_parts(parts, state).await?;
        let id = Names::of(parts, state).await?.id.parse();
        // The nil UUID is no version's.
        let id = CredentialVersionId(id.unwrap_or_default());
        Ok(Self {
            org,
            env,
            provider,
            id,
        })
    }
}

impl<S: Sync + Send, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(asked) = query.map_err(|rejection| Refusal::Query(rejection.body_text()))?;
        Ok(Self(asked))
    }
}
