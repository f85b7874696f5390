//! What is counted about the tokens and logins of one provider and environment.

use crate::domain::meter::{Counter, Label, Meters, Tally};

/// How attempts to log in end: `ok`, and the words of [`super::LoginError::code`].
const OUTCOMES: &[&str] = &[
    "ok",
    "credential_refused",
    "login_rate_limited",
    "login_unavailable",
    "login_malformed",
    "credential_incomplete",
    "credential_sealed",
    "credential_revoked",
];

/// Shared by all tenants of one provider and environment.
pub struct LoginMeters {
    hits: Counter,
    misses: Counter,
    renewals: Counter,
    logins: Tally,
}

impl LoginMeters {
    /// `labels` say which provider and environment.
    pub fn new(meters: &Meters, labels: &[Label<'_>]) -> Self {
        let lookups = |result| {
            let labels: Vec<_> = labels.iter().copied().chain([("result", result)]).collect();
            let help = "Calls that found a usable access token, and calls that had to wait for one";
            meters.counter("locum_token_lookups_total", help, &labels)
        };
        Self {
            hits: lookups("hit"),
            misses: lookups("miss"),
            renewals: meters.counter(
                "locum_token_renewals_total",
                "Renewals begun in the background, ahead of a token's expiry",
                labels,
            ),
            logins: meters.tally(
                "locum_logins_total",
                "Attempts to log in or to refresh, for calls and for renewals",
                labels,
                "outcome",
                OUTCOMES,
            ),
        }
    }

    pub(super) fn hit(&self) {
        self.hits.count();
    }

    pub(super) fn miss(&self) {
        self.misses.count();
    }

    pub(super) fn renewal(&self) {
        self.renewals.count();
    }

    pub(super) fn login(&self, outcome: &str) {
        self.logins.count(outcome);
    }
}
