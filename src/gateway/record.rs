//! What is recorded of a call: who, what, for whom, with which credential version, how it ended.
//! Never its arguments or its result. Made and passed on without an allocation.

use std::sync::Arc;

use jiff::Timestamp;

use super::Visit;
use crate::catalog::Entry;
use crate::domain::audit::{AuditEvent, AuditedOrganization, CALL};
use crate::domain::credential::CredentialVersionId;
use crate::domain::origin::{Origin, RequestId};
use crate::domain::principal::Principal;
use crate::domain::tenant::Tenant;

/// What a call is until it has ended, in a record of its beginning (strict mode).
const BEGUN: &str = "begun";

#[derive(Clone)]
pub(super) struct CallRecord {
    /// When it began; when it ended, once it has.
    at: Timestamp,
    principal: Arc<Principal>,
    tenant: Tenant,
    entry: Arc<Entry>,
    pub version: Option<CredentialVersionId>,
    pub outcome: &'static str,
    duration_us: Option<i64>,
    request_id: RequestId,
}

impl CallRecord {
    pub(super) fn new(
        visit: &Visit,
        entry: &Arc<Entry>,
        origin: &Origin,
        started: Timestamp,
    ) -> Self {
        Self {
            at: started,
            principal: visit.principal.clone(),
            tenant: visit.tenant().clone(),
            entry: entry.clone(),
            version: None,
            outcome: BEGUN,
            duration_us: None,
            request_id: origin.id().clone(),
        }
    }

    pub(super) fn end(&mut self, outcome: &'static str, now: Timestamp) {
        let took = now.duration_since(self.at).as_micros().max(0);
        self.duration_us = Some(i64::try_from(took).unwrap_or(i64::MAX));
        self.at = now;
        self.outcome = outcome;
    }

    pub(super) fn event(&self) -> AuditEvent {
        let tool = &self.entry.tool;
        AuditEvent {
            at: self.at,
            actor: self.principal.actor(),
            organization: Some(AuditedOrganization {
                uuid: self.tenant.organization,
                id: self.tenant.slug.clone(),
            }),
            environment: Some(self.tenant.environment.clone()),
            provider: Some(tool.provider.clone()),
            action: [CALL, tool.name.as_str()].concat(),
            target: None,
            version: self.version,
            outcome: self.outcome.to_owned(),
            duration_us: self.duration_us,
            request_id: Some(self.request_id.as_str().to_owned()),
        }
    }
}
