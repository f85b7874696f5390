//! Credentials from `.env` files, by the mapping of the provider's profile.

use secrecy::ExposeSecret;
use serde::Serialize;
use url::Url;

use super::{Admin, AdminError, CredentialInput, NewCredential, Variables};
use crate::domain::credential::SecretFields;
use crate::domain::provider::{Provider, Upstream};
use crate::domain::tenant::Environment;

/// A variable of a `.env` file that was not used.
#[derive(Debug, Serialize)]
pub struct ImportNotice {
    pub variable: String,
    pub notice: &'static str,
}

impl Admin {
    /// Stores a new version from the variables of a `.env` file, by the profile's mapping.
    pub async fn import_credential(
        &self,
        input: CredentialInput,
        variables: Variables,
    ) -> Result<NewCredential, AdminError> {
        let (provider, upstream) = self.upstream(&input.provider, &input.environment)?;
        let import = &provider.credential.import;
        if let Some(name) = &import.base_url
            && let Some(url) = variables.get(name)
        {
            check_base_url(
                &provider,
                &upstream,
                &input.environment,
                name,
                url.expose_secret(),
            )?;
        }
        let mut fields = SecretFields::new();
        let mut notices = Vec::new();
        for (variable, value) in variables {
            let field = provider
                .credential
                .fields
                .iter()
                .find(|(_, shape)| shape.env.as_deref() == Some(&variable));
            match field {
                Some((name, _)) if !value.expose_secret().is_empty() => {
                    fields.insert(name.clone(), value);
                }
                Some(_) => notices.push(ImportNotice {
                    variable,
                    notice: "empty, not used",
                }),
                None if import.base_url.as_deref() == Some(&variable) => {}
                None if import.ignored.contains(&variable) => {
                    let notice = "ignored: Locum has its own configuration for this";
                    notices.push(ImportNotice { variable, notice });
                }
                None => notices.push(ImportNotice {
                    variable,
                    notice: "ignored: not known",
                }),
            }
        }
        let stored = self.set_credential(input, fields).await?;
        Ok(NewCredential { notices, ..stored })
    }
}

fn check_base_url(
    provider: &Provider,
    upstream: &Upstream,
    environment: &Environment,
    variable: &str,
    text: &str,
) -> Result<(), AdminError> {
    let url = Url::parse(text).map_err(|_| AdminError::field(variable, "is not a URL"))?;
    let is = |upstream: &Upstream| {
        same_place(&upstream.base_url, &url) || upstream.aliases.iter().any(|a| same_place(a, &url))
    };
    if is(upstream) {
        return Ok(());
    }
    let other = provider
        .environments
        .iter()
        .find(|(_, upstream)| is(upstream));
    let message = match other {
        Some((other, _)) => {
            format!("belongs to environment `{other}`; import it with --env {other}")
        }
        None => format!(
            "is no address of `{}` in environment `{environment}`",
            provider.name
        ),
    };
    Err(AdminError::field(variable, message))
}

fn same_place(one: &Url, other: &Url) -> bool {
    let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
    one.origin() == other.origin() && path(one) == path(other)
}
