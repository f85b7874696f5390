//! Creations that happen once: the first answer to an `Idempotency-Key` is kept, in the transaction
//! of what it created, and is the answer to every repetition. Secrets are never in it.

use serde::Serialize;
use serde_json::Value;

use super::{Admin, AdminError};
use crate::domain::audit::AuditEvent;
use crate::store::{FirstAnswer, StoreError, Write};

/// A creation's key, and what tells its request from others: a hash of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Once {
    key: String,
    request: [u8; 32],
}

impl Admin {
    /// The same, for a request that is to have its effect once; `request` is all of it.
    pub fn once(mut self, key: &str, request: &[&[u8]]) -> Self {
        self.once = Some(Once {
            key: key.to_owned(),
            request: self.audit.fingerprint_request(request),
        });
        self
    }

    /// The first answer to this request, if there was one.
    pub async fn replay(&self) -> Result<Option<Value>, AdminError> {
        let Some(once) = &self.once else {
            return Ok(None);
        };
        let actor = self.actor.to_string();
        match self.store.first_answer(&actor, &once.key).await? {
            None => Ok(None),
            Some(first) if first.request != once.request => Err(AdminError::OtherRequest),
            Some(first) => Ok(serde_json::from_str(&first.answer).ok()),
        }
    }

    /// Makes a creation, its records and its answer durable together.
    pub(super) async fn commit_creation(
        &self,
        mut write: Write,
        events: impl IntoIterator<Item = AuditEvent>,
        answer: &impl Serialize,
    ) -> Result<(), AdminError> {
        if let Some(once) = &self.once {
            let first = FirstAnswer {
                request: once.request,
                answer: serde_json::to_string(answer).unwrap_or_default(),
            };
            let actor = self.actor.to_string();
            let kept = write.keep_first_answer(&actor, &once.key, &first, self.now());
            kept.await.map_err(|error| match error {
                // The same request came twice at once: this one changes nothing.
                StoreError::Exists(_) => AdminError::UnderWay,
                error => error.into(),
            })?;
        }
        self.commit(write, events).await
    }
}
