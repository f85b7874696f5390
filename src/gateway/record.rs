//! What is recorded of a call: who, what, for whom, with which credential version, how it ended.
//! Never its arguments or its result. Made and passed on without an allocation. What it says of
//! a tenant it has itself: by the time it is written, the tenant has left the processor's caches.

use std::sync::Arc;

use jiff::Timestamp;
use smol_str::SmolStr;

use super::Visit;
use crate::catalog::Entry;
use crate::domain::audit::CALL;
use crate::domain::audit::canonical::Fields;
use crate::domain::credential::CredentialVersionId;
use crate::domain::origin::{Origin, RequestId};
use crate::domain::principal::PrincipalKind;
use crate::domain::tenant::Tenant;
use crate::domain::tool::ToolName;

/// What a call is until it has ended, in a record of its beginning (strict mode).
const BEGUN: &str = "begun";

#[derive(Clone)]
pub(super) struct CallRecord {
    /// When it began; when it ended, once it has.
    at: Timestamp,
    kind: PrincipalKind,
    principal: SmolStr,
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
            kind: visit.principal.kind,
            principal: visit.principal.id.clone(),
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

    pub(super) fn fields<'r>(&'r self, words: &'r mut Words) -> Fields<'r> {
        let tool = &self.entry.tool;
        words.set((self.kind, &self.principal), &tool.name);
        Fields {
            at: self.at.as_millisecond(),
            actor: &words.actor,
            organization_id: Some(self.tenant.organization.0.as_bytes()),
            organization: Some(self.tenant.slug.as_str()),
            environment: Some(self.tenant.environment.as_str()),
            provider: Some(tool.provider.as_str()),
            action: &words.action,
            target: None,
            version: self.version.as_ref().map(|id| id.0.as_bytes().as_slice()),
            outcome: self.outcome,
            duration_us: self.duration_us,
            request_id: Some(self.request_id.as_str()),
        }
    }
}

/// Those of a record that are put together; the room for them serves many records.
#[derive(Default)]
pub(super) struct Words {
    actor: String,
    action: String,
}

impl Words {
    fn set(&mut self, (kind, id): (PrincipalKind, &str), tool: &ToolName) {
        self.actor.clear();
        kind.write_actor(id, &mut self.actor);
        self.action.clear();
        self.action.push_str(CALL);
        self.action.push_str(tool.as_str());
    }
}
