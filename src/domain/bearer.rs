//! [`Bearer`]: what a token becomes on the way upstream: headers, bound to a tenant.

use std::sync::Arc;

use http::HeaderValue;
use smallvec::SmallVec;

use super::ahead;
use super::call::AuthorizedCall;
use super::credential::CredentialVersionId;
use super::header::secrets_in;
use super::provider::HeaderPlace;
use super::redact::redact;
use super::tenant::Tenant;

/// Shorter words in a header are its scheme.
const SHORTEST_SECRET: usize = 8;

/// A header that requests carry. The value is marked sensitive, so it never shows in a `Debug`
/// output.
pub struct AppliedHeader {
    pub place: Arc<HeaderPlace>,
    pub value: HeaderValue,
}

/// The headers of one token, and whose it is. No `Debug`: it holds secrets.
pub struct TokenHeaders<More: ?Sized = dyn Send + Sync> {
    /// The one whose credential logged in: the upstream step asserts that it is the call's.
    pub tenant: Tenant,
    /// The credential version that logged in.
    pub version: CredentialVersionId,
    /// Which of the version's tokens this is.
    pub generation: u64,
    /// Few, which then lie here.
    pub headers: SmallVec<[AppliedHeader; 3]>,
    /// What whoever made them keeps with them, in the same piece of memory.
    pub more: More,
}

impl TokenHeaders<()> {
    pub fn with<More>(self, more: More) -> TokenHeaders<More> {
        TokenHeaders {
            tenant: self.tenant,
            version: self.version,
            generation: self.generation,
            headers: self.headers,
            more,
        }
    }
}

impl<More: ?Sized> TokenHeaders<More> {
    /// Asks for the texts of its headers.
    pub fn texts_ahead(&self) {
        for header in &self.headers {
            ahead::text(header.value.as_bytes());
        }
    }

    /// Those for a request whose path begins with the fixed text `path`.
    pub fn for_path<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a AppliedHeader> {
        self.headers.iter().filter(move |header| {
            let start = header.place.path.as_deref();
            start.is_none_or(|start| path.starts_with(start))
        })
    }
}

/// A tenant's authorization upstream. No `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Bearer(Arc<TokenHeaders>);

impl Bearer {
    /// Forms the bearer for an authorized call out of a token.
    pub fn for_call<More>(_: &AuthorizedCall<'_>, token: Arc<TokenHeaders<More>>) -> Self
    where
        More: Send + Sync + 'static,
    {
        Self(token)
    }

    pub fn tenant(&self) -> &Tenant {
        &self.0.tenant
    }

    /// The credential version that logged in.
    pub fn version(&self) -> CredentialVersionId {
        self.0.version
    }

    /// Which of the version's tokens this is.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// The headers for a request whose path begins with the fixed text `path`.
    pub fn headers_for<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a AppliedHeader> {
        self.0.for_path(path)
    }

    /// A text of the upstream's without the secrets that were sent to it.
    pub fn conceal(&self, text: &str) -> String {
        let headers = self.0.headers.iter();
        let values = headers.flat_map(|header| header.value.to_str());
        let secrets: Vec<_> = values
            .flat_map(|value| secrets_in(value, SHORTEST_SECRET))
            .collect();
        redact(text, secrets.iter().map(|secret| secret.as_str()))
    }
}
