//! The use cases of administration, for the commands and, later, for the admin API.
//!
//! Each takes checked input, changes the store in one transaction and answers with what may be
//! shown. A secret goes in; none comes out, but a key at the moment it is issued.

mod authority;
mod credentials;
mod dotenv;
mod due;
mod error;
mod import;
mod keys;
mod limits;
mod organizations;
mod outbox;
mod status;

use std::sync::Arc;

use jiff::Timestamp;

pub use credentials::{CredentialInput, NewCredential, TestReport};
pub use dotenv::{DotenvError, Variables, parse as parse_dotenv};
pub use error::AdminError;
pub use import::ImportNotice;
pub use keys::{IssuedKey, KeyGrant, KeyRequest, KeySummary};
pub use limits::{LimitChange, LimitSummary};
pub use outbox::{
    ChannelTest, OutboxCounts, Planned, ReminderSummary, Reminders, Sending, Sendings,
};
pub use status::{
    EnvironmentUsage, OrganizationUsage, OtherVersion, ProfileStatus, ServerStatus, StatusReport,
};

use crate::audit::Audit;
use crate::catalog::Catalog;
use crate::credentials::Credentials;
use crate::domain::actor::Actor;
use crate::domain::clock::SharedClock;
use crate::store::Store;
use crate::token::Login;

/// Administration of one installation, by one actor.
#[derive(Clone)]
pub struct Admin {
    store: Store,
    credentials: Credentials,
    audit: Audit,
    catalog: Arc<Catalog>,
    login: Arc<Login>,
    reminders: Arc<Reminders>,
    clock: SharedClock,
    actor: Actor,
    /// The HTTP request that it is done for, if one is.
    request_id: Option<String>,
}

impl Admin {
    pub fn new(
        store: Store,
        credentials: Credentials,
        audit: Audit,
        catalog: Arc<Catalog>,
        login: Login,
        clock: SharedClock,
        actor: Actor,
    ) -> Self {
        Self {
            store,
            credentials,
            audit,
            catalog,
            login: Arc::new(login),
            reminders: Arc::default(),
            clock,
            actor,
            request_id: None,
        }
    }

    /// The same with reminders that are due and go as these say.
    pub fn reminding(self, reminders: Arc<Reminders>) -> Self {
        Self { reminders, ..self }
    }

    /// The same for another actor, on behalf of a request.
    pub fn acting_as(&self, actor: Actor, request_id: Option<String>) -> Self {
        Self {
            actor,
            request_id,
            ..self.clone()
        }
    }

    /// The time as the store keeps it: in milliseconds.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What SQLite's own check of the file finds wrong.
    pub async fn integrity_problems(&self) -> Result<Vec<String>, AdminError> {
        Ok(self.store.integrity_problems().await?)
    }
}
