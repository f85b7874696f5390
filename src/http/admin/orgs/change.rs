//! `PATCH /orgs/{org}`: its name, whether it is served, its limits and settings by environment.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

use crate::admin::{LimitChange, OrganizationChange, SettingsChange};
use crate::domain::limits::LimitSetting;
use crate::domain::organization::OrganizationState;
use crate::domain::principal::Scope;
use crate::domain::tenant::Environment;
use crate::domain::tool::ToolName;
use crate::http::admin::answer::{Answer, ok, tagged};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::body::{Body, whole};
use crate::http::admin::path::OrgPath;
use crate::http::admin::precondition::Precondition;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Change {
    name: Option<String>,
    state: Option<State>,
    #[serde(default)]
    limits: BTreeMap<Environment, Limits>,
    #[serde(default)]
    settings: BTreeMap<Environment, Settings>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Active,
    Suspended,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    #[serde(default, deserialize_with = "limit")]
    per_minute: Option<LimitSetting>,
    #[serde(default, deserialize_with = "limit")]
    per_day: Option<LimitSetting>,
    #[serde(default, deserialize_with = "limit")]
    concurrency: Option<LimitSetting>,
}

/// A list that is left out stays; `null` opens all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default, deserialize_with = "given")]
    allow_tools: Option<Option<BTreeSet<ToolName>>>,
    deny_tools: Option<BTreeSet<ToolName>>,
    read_only: Option<bool>,
    /// `null` takes one away.
    #[serde(default)]
    values: BTreeMap<String, Option<String>>,
}

pub(in crate::http::admin) async fn change(
    Acting(admin): Acting,
    OrgPath(org): OrgPath,
    precondition: Precondition,
    body: Body<Change>,
) -> Answer {
    let admin = precondition.on(admin);
    admin.change_organization(&org, &body.value.into()).await?;
    let detail = admin.organization_detail(&org).await?;
    Ok(tagged(&detail.organization.tag(), ok(&detail)))
}

impl From<Change> for OrganizationChange {
    fn from(change: Change) -> Self {
        let limits = change.limits.into_iter().map(|(environment, limits)| {
            let change = LimitChange {
                per_minute: limits.per_minute,
                per_day: limits.per_day,
                concurrency: limits.concurrency,
            };
            (environment, change)
        });
        let settings = change.settings.into_iter().map(|(environment, settings)| {
            let change = SettingsChange {
                allow_tools: settings
                    .allow_tools
                    .map(|named| named.map_or(Scope::All, Scope::Only)),
                deny_tools: settings.deny_tools,
                read_only: settings.read_only,
                values: settings.values,
            };
            (environment, change)
        });
        Self {
            name: change.name,
            state: change.state.map(|state| match state {
                State::Active => OrganizationState::Active,
                State::Suspended => OrganizationState::Suspended,
            }),
            limits: limits.collect(),
            settings: settings.collect(),
        }
    }
}

/// Tells `null` from what is left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A number, `"off"` or `"default"`.
fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LimitSetting>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let text = match &value {
        serde_json::Value::String(text) if text.parse::<u32>().is_err() => text.clone(),
        serde_json::Value::Number(number) => whole::<D::Error>(&number.to_string())?.to_string(),
        _ => String::new(),
    };
    text.parse()
        .map(Some)
        .map_err(|error| serde::de::Error::custom(format!("unfit, expected {error}")))
}
