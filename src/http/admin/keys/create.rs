//! `POST /keys`: a new gateway key, shown in this answer and never again.

use std::collections::BTreeSet;

use http::StatusCode;
use serde::Deserialize;

use crate::admin::{GrantRequest, KeyRequest};
use crate::domain::organization::OrganizationSlug;
use crate::domain::principal::Scope;
use crate::domain::tenant::Environment;
use crate::domain::tool::ToolName;
use crate::http::admin::answer::{Answer, created, replayed, tagged, with_secret};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::body::{Body, parsed};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct NewKey {
    name: String,
    grants: Vec<NewGrant>,
    expires: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewGrant {
    #[serde(deserialize_with = "parsed")]
    organization: OrganizationSlug,
    /// Left out or `null`: all.
    environments: Option<BTreeSet<Environment>>,
    tools: Option<BTreeSet<ToolName>>,
    #[serde(default)]
    read_only: bool,
}

pub(in crate::http::admin) async fn create(Acting(admin): Acting, body: Body<NewKey>) -> Answer {
    let admin = body.once(admin);
    if let Some(first) = admin.replay().await? {
        return Ok(replayed(StatusCode::CREATED, &first));
    }
    let NewKey {
        name,
        grants,
        expires,
    } = body.value;
    let request = KeyRequest {
        name,
        grants: grants.into_iter().map(GrantRequest::from).collect(),
        expires: admin.end("expires", expires.as_deref())?,
    };
    let issued = admin.create_key(&request).await?;
    let location = format!("/keys/{}", issued.summary.id);
    let data = with_secret(&issued.summary, "key", &issued.key);
    Ok(tagged(&issued.summary.tag(), created(&location, &data)))
}

impl From<NewGrant> for GrantRequest {
    fn from(grant: NewGrant) -> Self {
        Self {
            organization: grant.organization,
            environments: scope(grant.environments),
            tools: scope(grant.tools),
            read_only: grant.read_only,
        }
    }
}

fn scope<T: Ord>(named: Option<BTreeSet<T>>) -> Scope<T> {
    named.map_or(Scope::All, Scope::Only)
}
