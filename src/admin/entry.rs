//! A credential as it is entered: checked against the provider's profile before it is sealed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::place::Place;
use super::{Admin, AdminError};
use crate::credentials::NewVersion;
use crate::domain::credential::SecretFields;
use crate::domain::document::suggestion;
use crate::domain::organization::OrganizationSlug;
use crate::domain::provider::Provider;
use crate::domain::tenant::Environment;

const MAX_FIELD: usize = 8_192;

/// Where a credential goes, and how.
pub struct CredentialInput {
    pub organization: OrganizationSlug,
    pub environment: Environment,
    pub provider: String,
    pub flow: Option<String>,
    pub issued: Option<Timestamp>,
    /// Whether one that takes the place of another has to log in first.
    pub verify: bool,
}

/// What passed the checks. No `Debug`: it holds secrets.
pub(super) struct Entry {
    pub place: Place,
    pub version: NewVersion,
}

impl Admin {
    pub(super) async fn entry(
        &self,
        input: CredentialInput,
        fields: SecretFields,
    ) -> Result<Entry, AdminError> {
        let organization = self.organization_to_change(&input.organization).await?;
        let (provider, _) = self.upstream(&input.provider, &input.environment)?;
        check_flow(&provider, input.flow.as_deref())?;
        check_fields(&provider, input.flow.as_deref(), &fields)?;
        let now = self.now();
        let issued_at = input.issued.unwrap_or(now);
        if issued_at > now {
            return Err(AdminError::unfit("issued", "is in the future"));
        }
        let place = Place::new(organization, input.environment, provider.name.clone());
        let entered_by = self.actor.name().to_owned();
        let key = place.profile.clone();
        let version = NewVersion::new(key, input.flow, fields, issued_at, entered_by);
        Ok(Entry { place, version })
    }
}

fn check_flow(provider: &Provider, flow: Option<&str>) -> Result<(), AdminError> {
    let Some(flow) = flow else { return Ok(()) };
    if provider.login.flows.contains_key(flow) {
        return Ok(());
    }
    let known: Vec<&str> = provider.login.flows.keys().map(String::as_str).collect();
    Err(AdminError::NoFlow {
        provider: provider.name.to_string(),
        flow: flow.to_owned(),
        hint: suggestion(flow, &known),
    })
}

fn check_fields(
    provider: &Provider,
    flow: Option<&str>,
    fields: &BTreeMap<String, SecretString>,
) -> Result<(), AdminError> {
    let shapes = &provider.credential.fields;
    for (name, value) in fields {
        if !shapes.contains_key(name) {
            let known: Vec<&str> = shapes.keys().map(String::as_str).collect();
            let hint = suggestion(name, &known);
            let message = format!("`{}` has no such field{hint}", provider.name);
            return Err(AdminError::unfit(name, message));
        }
        let text = value.expose_secret();
        if !(1..=MAX_FIELD).contains(&text.chars().count()) {
            let message = format!("1 to {MAX_FIELD} characters are needed");
            return Err(AdminError::field(name, message));
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            let message = "has blanks around it or control characters in it; was it cut badly?";
            return Err(AdminError::field(name, message));
        }
    }
    let required = shapes
        .iter()
        .filter(|(_, shape)| shape.required)
        .map(|(name, _)| name);
    let flow_needs = provider
        .login
        .flow(flow)
        .into_iter()
        .flat_map(|flow| &flow.requires);
    match required
        .chain(flow_needs)
        .find(|name| !fields.contains_key(*name))
    {
        None => Ok(()),
        Some(name) => {
            let description = shapes.get(name).map(|shape| shape.description.as_str());
            let message = format!("is missing ({})", description.unwrap_or_default());
            Err(AdminError::unfit(name, message))
        }
    }
}
