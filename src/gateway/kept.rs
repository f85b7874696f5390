//! Answers that are given again: of a write that is sent twice, and of reads that a profile lets be
//! kept for a while.
//!
//! A write's answer is the principal's own, a read's the tenant's. Of equal calls at the same moment
//! one is made, and the others wait for its answer; only a success is kept. Memory is bounded: what
//! was not asked for the longest goes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use serde_json::Value;
use smol_str::SmolStr;
use tokio::sync::{Mutex, oneshot};

use super::CallOutcome;
use crate::domain::call::AuthorizedCall;
use crate::domain::credential::CredentialVersionId;
use crate::domain::organization::OrganizationId;
use crate::domain::tenant::Environment;
use crate::domain::tenant_settings::TenantSettings;
use crate::domain::tool::{Keep, KeptFor, ToolName};

/// Of all kept answers together, with their arguments and what a place takes besides.
const MAX_BYTES: u64 = 16 << 20;
const PLACE: usize = 512;
/// An answer or arguments that are longer are not kept.
const MAX_TEXT: usize = 256 << 10;

/// Says whose answer to what it is.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    organization: OrganizationId,
    environment: Environment,
    whose: Whose,
    tool: ToolName,
    /// The arguments that make two calls the same, as JSON.
    arguments: Box<str>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Whose {
    /// By the id of the key that the call was made with.
    Principal(SmolStr),
    /// All of the tenant's, for as long as it has this version and these settings, and profiles say
    /// the same (by the number of the edition): with others it may see something else.
    Tenant(CredentialVersionId, u64, Option<Arc<TenantSettings>>),
}

/// Whether somebody waits for an answer.
pub(super) enum Attendance {
    /// The call ends with its client.
    Always,
    /// Until this says otherwise.
    Until(oneshot::Receiver<()>),
}

impl Attendance {
    /// Waits while somebody waits for it; what is not begun by then is not begun.
    async fn wait<T>(self, turn: impl Future<Output = T>) -> Option<T> {
        match self {
            Self::Always => Some(turn.await),
            Self::Until(gone) => tokio::select! {
                biased;
                _ = gone => None,
                turn = turn => Some(turn),
            },
        }
    }
}

#[derive(Default)]
struct Place {
    answer: Mutex<Option<Kept>>,
    bytes: AtomicUsize,
}

struct Kept {
    json: Box<str>,
    at: Timestamp,
}

pub(super) struct KeptAnswers(Cache<Key, Arc<Place>>);

impl Default for KeptAnswers {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|key: &Key, place: &Arc<Place>| {
                let texts = key.arguments.len() + place.bytes.load(Ordering::Relaxed);
                u32::try_from(PLACE + texts).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(Keep::LONGEST)
            .support_invalidation_closures()
            .build();
        Self(cache)
    }
}

impl KeptAnswers {
    /// The answer that is kept, or the one that `make` gets and that is kept from then on.
    pub(super) async fn or_make(
        &self,
        (call, keep): (&AuthorizedCall<'_>, &Keep),
        whose: (CredentialVersionId, u64),
        now: impl Fn() -> Timestamp,
        attended: Attendance,
        make: impl Future<Output = Option<CallOutcome>>,
    ) -> Option<CallOutcome> {
        let key = Key::of(call, keep, whose);
        if key.arguments.len() > MAX_TEXT {
            return make.await;
        }
        let place = self.0.get_with(key.clone(), Arc::default);
        let mut answer = attended.wait(place.answer.lock()).await?;
        if let Some(kept) = &*answer
            && kept.is_fresh(keep.window, now())
        {
            return Some(CallOutcome::repeated(&kept.json));
        }
        let outcome = make.await?;
        *answer = None;
        if outcome.is_success() && outcome.json.len() <= MAX_TEXT {
            *answer = Some(Kept {
                json: outcome.json.as_str().into(),
                at: now(),
            });
            place.bytes.store(outcome.json.len(), Ordering::Relaxed);
            // Weighed anew; what was forgotten meanwhile stays forgotten.
            if self.0.contains_key(&key) {
                self.0.insert(key, place.clone());
            }
        }
        Some(outcome)
    }

    /// Forgets a tenant's answers of these tools, whoever got them.
    pub(super) fn forget(&self, call: &AuthorizedCall<'_>, tools: &[ToolName]) {
        if tools.is_empty() {
            return;
        }
        let organization = call.tenant().organization;
        let environment = call.tenant().environment.clone();
        let tools = tools.to_vec();
        let concerned = move |key: &Key, _: &Arc<Place>| {
            key.organization == organization
                && key.environment == environment
                && tools.contains(&key.tool)
        };
        if let Err(error) = self.0.invalidate_entries_if(concerned) {
            tracing::error!(%error, "kept answers are all forgotten");
            self.0.invalidate_all();
        }
    }
}

impl Key {
    fn of(
        call: &AuthorizedCall<'_>,
        keep: &Keep,
        (version, edition): (CredentialVersionId, u64),
    ) -> Self {
        let whose = match keep.kept_for {
            KeptFor::Principal => Whose::Principal(call.principal().id.clone()),
            KeptFor::Tenant => Whose::Tenant(version, edition, call.settings().cloned()),
        };
        Self {
            organization: call.tenant().organization,
            environment: call.tenant().environment.clone(),
            whose,
            tool: call.tool().name.clone(),
            arguments: arguments(call, keep).into(),
        }
    }
}

/// The arguments that count, written down the same way whatever order they came in.
fn arguments(call: &AuthorizedCall<'_>, keep: &Keep) -> String {
    let mut all = Value::Object(call.arguments().clone());
    all.sort_all_objects();
    if keep.arguments.is_empty() {
        return all.to_string();
    }
    let chosen = keep.arguments.iter().map(|pointer| all.pointer(pointer));
    let chosen: Vec<&Value> = chosen.map(|value| value.unwrap_or(&Value::Null)).collect();
    serde_json::to_string(&chosen).unwrap_or_default()
}

impl Kept {
    /// A clock that went back says nothing about how old it is.
    fn is_fresh(&self, window: Duration, now: Timestamp) -> bool {
        let age = Duration::try_from(now.duration_since(self.at));
        age.is_ok_and(|age| age < window)
    }
}
