//! The use cases of administration, for the commands and the admin API.
//!
//! Each takes checked input, changes the store in one transaction and answers with what may be
//! shown. A secret goes in; none comes out, but a key at the moment it is issued.

mod audit;
mod audit_filter;
mod authority;
mod backup;
mod credentials;
mod dotenv;
mod due;
mod entry;
mod error;
mod export;
mod held_key;
mod import;
mod keys;
mod limits;
mod master_key;
mod once;
mod organizations;
mod outbox;
mod place;
mod removal;
mod revocation;
mod roll;
mod rotation;
mod status;
mod tenant_settings;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use audit::{AuditEntry, AuditFilter, AuditOrder, AuditPage, AuditSearch, MAX_AUDIT_PAGE};
pub use backup::{Backup, Contents, CopyStep, OnStep, examine};
pub use credentials::{CredentialProfile, NewCredential, TestReport};
pub use dotenv::{DotenvError, Variables, parse as parse_dotenv};
pub use entry::CredentialInput;
pub use error::{AdminError, ErrorKind};
pub use export::{AuditExport, ExportFormat};
pub use import::ImportNotice;
pub use keys::{GrantRequest, IssuedKey, KeyGrant, KeyRequest, KeySummary};
pub use limits::{LimitChange, LimitSummary};
pub use master_key::{KeyRotation, KeyRotationReport, UnopenedKey};
pub use organizations::{OrganizationChange, OrganizationDetail};
pub use outbox::{
    ChannelTest, OutboxCounts, Planned, ReminderSummary, Reminders, Seen, Sending, Sendings,
};
pub use removal::{Patience, Receipt, RemovedCounts};
pub use rotation::{Retiring, Rotation};
pub use status::{
    EnvironmentUsage, OrganizationUsage, OtherVersion, ProfileStatus, ServerStatus, StatusReport,
};
pub use tenant_settings::{SettingsChange, SettingsSummary};
pub use tokens::{IssuedToken, TokenRequest, TokenSummary};

use once::Once;

use crate::audit::Audit;
pub use crate::audit::{Checkpoint, CheckpointVerdict, Damage, DamageKind, Verification};
use crate::catalog::Catalog;
use crate::credentials::Credentials;
use crate::domain::actor::Actor;
use crate::domain::clock::SharedClock;
use crate::domain::live::Live;
use crate::store::Store;
use crate::token::Login;

/// What administration works with.
#[derive(Clone)]
pub struct AdminParts {
    pub store: Store,
    pub credentials: Credentials,
    pub audit: Audit,
    pub catalog: Live<Catalog>,
    pub login: Arc<Login>,
    pub reminders: Arc<Reminders>,
    pub clock: SharedClock,
    /// How long a credential version works after another has taken its place.
    pub grace: Duration,
}

/// Administration of one installation, by one actor.
#[derive(Clone)]
pub struct Admin {
    store: Store,
    credentials: Credentials,
    audit: Audit,
    catalog: Live<Catalog>,
    login: Arc<Login>,
    reminders: Arc<Reminders>,
    clock: SharedClock,
    grace: Duration,
    actor: Actor,
    /// The HTTP request that it is done for, if one is.
    request_id: Option<String>,
    once: Option<Once>,
    /// The tag of what may be changed; `None`: any.
    expected: Option<String>,
}

impl Admin {
    pub fn new(parts: AdminParts, actor: Actor) -> Self {
        let AdminParts {
            store,
            credentials,
            audit,
            catalog,
            login,
            reminders,
            clock,
            grace,
        } = parts;
        Self {
            store,
            credentials,
            audit,
            catalog,
            login,
            reminders,
            clock,
            grace,
            actor,
            request_id: None,
            once: None,
            expected: None,
        }
    }

    /// The same for another actor, on behalf of a request.
    pub fn acting_as(&self, actor: Actor, request_id: Option<String>) -> Self {
        Self {
            actor,
            request_id,
            ..self.clone()
        }
    }

    /// The same, for a change of what is as it was under that tag.
    pub fn expecting(mut self, tag: Option<&str>) -> Self {
        self.expected = tag.map(str::to_owned);
        self
    }

    /// The time as the store keeps it: in milliseconds.
    pub fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// What profiles describe now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.now()
    }

    /// What SQLite's own check of the file finds wrong.
    pub async fn integrity_problems(&self) -> Result<Vec<String>, AdminError> {
        Ok(self.store.integrity_problems().await?)
    }
}
