//! The rules in force, in the order in which they were added; the first that fits strikes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rule::{Fault, FaultRule};
use crate::sandbox::endpoint::Endpoint;

/// More rules than anybody needs, few enough to walk through on every request.
const MAX_RULES: usize = 1_000;

/// The facts of a request that a rule looks at.
#[derive(Debug)]
pub struct Scene<'a> {
    pub endpoint: Endpoint,
    pub client_id: Option<&'a str>,
    pub method: &'a str,
    pub path: &'a str,
}

/// The rules in force.
#[derive(Default)]
pub struct Faults(Mutex<Vec<FaultRule>>);

impl Faults {
    /// Adds a rule; `false` when there are too many.
    pub fn add(&self, rule: FaultRule) -> bool {
        let mut rules = self.rules();
        let room = rules.len() < MAX_RULES;
        if room {
            rules.push(rule);
        }
        room
    }

    /// The fault that this request meets; uses up one of the rule's count.
    pub fn take(&self, scene: &Scene<'_>) -> Option<Fault> {
        let mut rules = self.rules();
        let place = rules.iter().position(|rule| fits(rule, scene))?;
        let rule = rules.get_mut(place)?;
        let fault = rule.fault.clone();
        rule.count = rule.count.map(|left| left - 1);
        if rule.count == Some(0) {
            rules.remove(place);
        }
        Some(fault)
    }

    pub fn list(&self) -> Vec<FaultRule> {
        self.rules().clone()
    }

    pub fn clear(&self) {
        self.rules().clear();
    }

    fn rules(&self) -> MutexGuard<'_, Vec<FaultRule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fits(rule: &FaultRule, scene: &Scene<'_>) -> bool {
    rule.count != Some(0)
        && rule.login == scene.endpoint.is_login()
        && rule
            .client_id
            .as_deref()
            .is_none_or(|id| scene.client_id == Some(id))
        && rule
            .method
            .as_deref()
            .is_none_or(|method| scene.method == method)
        && rule
            .path
            .as_deref()
            .is_none_or(|prefix| scene.path.starts_with(prefix))
}
