//! The catalog: every provider and tool that profiles describe.
//!
//! ```text
//! TOML text ─ raw (serde, unknown keys refused) → compile (checked, templates compiled) → index
//! ```
//!
//! A profile that loads cannot fail later for a reason that could have been seen here.

mod arguments;
mod compile;
mod definitions;
mod login;
pub mod openapi;
mod raw;
mod request;
mod steps;
mod tools;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

pub use arguments::{InvalidArguments, Schema};

use crate::domain::destination::{BadDestination, Destinations};
use crate::domain::document::{Complaint, Document, suggestion};
use crate::domain::provider::{Provider, ProviderName, Upstream};
use crate::domain::tenant::Environment;
use crate::domain::tool::{Tool, ToolName};

/// Profiles that the binary carries: used unless the profiles folder has one of the same name.
const BUILT_IN: &[(&str, &str)] = &[(
    "eka-care.toml",
    include_str!("../../profiles/eka-care.toml"),
)];

/// A tool with what checks its arguments.
#[derive(Debug)]
pub struct Entry {
    pub tool: Tool,
    pub schema: Schema,
}

/// Providers and tools by name.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    providers: BTreeMap<ProviderName, Arc<Provider>>,
    tools: BTreeMap<ToolName, Arc<Entry>>,
    /// The profiles' texts, in short: equal ones say the same.
    digests: BTreeMap<ProviderName, u64>,
}

/// What an operator changes about a provider in `locum.toml`.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub base_urls: BTreeMap<ProviderName, BTreeMap<Environment, Url>>,
    /// Where base URLs may lead.
    pub destinations: Destinations,
}

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("{0}")]
    Profile(#[from] Complaint),
    #[error("profiles.dir {path}: {source}")]
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {source}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("providers.{0}: there is no profile of this name{1}")]
    UnknownProvider(ProviderName, String),
    #[error(
        "providers.{provider}.environments.{environment}: the profile defines no such environment{hint}"
    )]
    UnknownEnvironment {
        provider: ProviderName,
        environment: Environment,
        hint: String,
    },
    #[error("providers.{provider}.environments.{environment}.base_url: {reason}")]
    BaseUrl {
        provider: ProviderName,
        environment: Environment,
        reason: BadDestination,
    },
}

impl CatalogError {
    /// File and line, where it is about one.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::Profile(complaint) => Some(complaint.place()),
            _ => None,
        }
    }
}

impl Catalog {
    /// Loads the built-in profiles and those of `folder`, which may be absent unless `required`.
    pub fn load(
        folder: &Path,
        required: bool,
        overrides: &Overrides,
    ) -> Result<Self, CatalogError> {
        let mut sources: BTreeMap<String, (PathBuf, String)> = BUILT_IN
            .iter()
            .map(|(name, text)| {
                (
                    (*name).to_owned(),
                    (Path::new("built-in").join(name), (*text).to_owned()),
                )
            })
            .collect();
        let there = folder.try_exists().map_err(|source| CatalogError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        if required || there {
            for path in profile_files(folder)? {
                let text = std::fs::read_to_string(&path).map_err(|source| CatalogError::File {
                    path: path.clone(),
                    source,
                })?;
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                sources.insert(name, (path, text));
            }
        }
        let mut catalog = Self::default();
        for (path, text) in sources.values() {
            catalog.add(path, text, &overrides.destinations)?;
        }
        catalog.apply(overrides)?;
        Ok(catalog)
    }

    /// Adds one profile.
    pub fn add(
        &mut self,
        file: &Path,
        text: &str,
        destinations: &Destinations,
    ) -> Result<(), Complaint> {
        let document = Document::new(file, text);
        let raw = document.read()?;
        let (provider, entries) = compile::profile(&document, raw, destinations)?;
        if self.providers.contains_key(&provider.name) {
            let message = format!("another profile is already named `{}`", provider.name);
            return Err(document.complain(&["name".into()], message));
        }
        for (index, entry) in entries.into_iter().enumerate() {
            let name = entry.tool.name.clone();
            if let Some(other) = self.tools.insert(name, Arc::new(entry)) {
                let message = format!(
                    "provider `{}` already has a tool of this name",
                    other.tool.provider
                );
                let path = ["tools".into(), index.into(), "name".into()];
                return Err(document.complain(&path, message));
            }
        }
        self.digests.insert(provider.name.clone(), digest(text));
        self.providers
            .insert(provider.name.clone(), Arc::new(provider));
        Ok(())
    }

    /// The same, but what a profile says that it said before is the former catalog's own: tokens and
    /// answers that were made by it stay good.
    pub fn after(mut self, former: &Self) -> Self {
        for (name, provider) in &mut self.providers {
            // All that it says, its tools aside: they make no token.
            let said = format!("{provider:?}");
            let same = |other: &&Arc<Provider>| format!("{other:?}") == said;
            if let Some(other) = former.providers.get(name).filter(same) {
                *provider = other.clone();
            }
        }
        for (name, entry) in &mut self.tools {
            let provider = &entry.tool.provider;
            if self.digests.get(provider) == former.digests.get(provider)
                && let Some(other) = former.tools.get(name)
            {
                *entry = other.clone();
            }
        }
        self
    }

    /// Whether both say the same.
    pub fn is(&self, other: &Self) -> bool {
        let mut pairs = self.providers.values().zip(other.providers.values());
        self.digests == other.digests && pairs.all(|(one, other)| Arc::ptr_eq(one, other))
    }

    fn apply(&mut self, overrides: &Overrides) -> Result<(), CatalogError> {
        for (name, environments) in &overrides.base_urls {
            let known: Vec<String> = self.providers.keys().map(ToString::to_string).collect();
            let provider = self
                .providers
                .get_mut(name)
                .and_then(Arc::get_mut)
                .ok_or_else(|| {
                    let known: Vec<&str> = known.iter().map(String::as_str).collect();
                    CatalogError::UnknownProvider(name.clone(), suggestion(name.as_str(), &known))
                })?;
            for (environment, url) in environments {
                let checked = overrides.destinations.check_base(url);
                checked.map_err(|reason| CatalogError::BaseUrl {
                    provider: name.clone(),
                    environment: environment.clone(),
                    reason,
                })?;
                let known: Vec<String> = provider
                    .environments
                    .keys()
                    .map(ToString::to_string)
                    .collect();
                let Some(upstream) = provider.environments.get_mut(environment) else {
                    let known: Vec<&str> = known.iter().map(String::as_str).collect();
                    return Err(CatalogError::UnknownEnvironment {
                        provider: name.clone(),
                        environment: environment.clone(),
                        hint: suggestion(environment.as_str(), &known),
                    });
                };
                let documented = std::mem::replace(
                    upstream,
                    Upstream {
                        base_url: Arc::new(url.clone()),
                        aliases: Vec::new(),
                    },
                );
                upstream.aliases = documented.aliases;
                upstream.aliases.push(documented.base_url.as_ref().clone());
            }
        }
        Ok(())
    }

    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.get(name)
    }

    /// All providers, by name.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values()
    }

    pub fn tool(&self, name: &str) -> Option<&Arc<Entry>> {
        self.tools.get(name)
    }

    /// All tools, by name.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.tools.values()
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The profiles in a folder, by name.
pub fn profile_files(folder: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let failed = |source| CatalogError::Folder {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_toml = path
            .extension()
            .is_some_and(|extension| extension == "toml");
        // Editors put locks and copies beside a file.
        if is_toml && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;
