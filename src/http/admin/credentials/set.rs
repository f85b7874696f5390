//! `PUT /orgs/{org}/credentials/{env}/{provider}`: a new version, active at once.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;

use crate::admin::CredentialInput;
use crate::domain::credential::SecretFields;
use crate::http::admin::answer::{Answer, ok, replayed};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::body::{Body, SecretText};
use crate::http::admin::path::{Asked, CredentialPath};
use crate::http::admin::precondition::Precondition;
use crate::http::admin::refusal::Refusal;

/// A version as it is entered. No `Debug`: it holds secrets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct NewVersion {
    fields: BTreeMap<String, SecretText>,
    flow: Option<String>,
    issued: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Query {
    /// Without a login first.
    #[serde(default)]
    unverified: bool,
}

pub(in crate::http::admin) async fn set(
    Acting(admin): Acting,
    path: CredentialPath,
    Asked(query): Asked<Query>,
    precondition: Precondition,
    body: Body<NewVersion>,
) -> Answer {
    let admin = precondition.on(body.once(admin));
    if let Some(first) = admin.replay().await? {
        return Ok(replayed(StatusCode::OK, &first));
    }
    let (mut input, fields) = body.value.entered(path, &admin)?;
    input.verify = !query.unverified;
    Ok(ok(&admin.set_credential(input, fields).await?))
}

impl NewVersion {
    pub(in crate::http::admin) fn entered(
        self,
        path: CredentialPath,
        admin: &crate::admin::Admin,
    ) -> Result<(CredentialInput, SecretFields), Refusal> {
        let input = CredentialInput {
            organization: path.org,
            environment: path.env,
            provider: path.provider,
            flow: self.flow,
            issued: admin.time("issued", self.issued.as_deref())?,
            verify: true,
        };
        let fields = self.fields.into_iter();
        let fields = fields.map(|(name, SecretText(secret))| (name, secret));
        Ok((input, fields.collect()))
    }
}
