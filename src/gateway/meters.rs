//! What the gateway counts: calls by tool, environment and outcome, and what the directory holds.
//!
//! Everything is labelled by what profiles name, never by a tenant. All meters of a catalog are
//! made when the gateway is opened, so a call only looks its own up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::census::CensusMeters;
use super::outcome;
use crate::catalog::Catalog;
use crate::domain::clock::SharedClock;
use crate::domain::meter::{Counter, Gauge, Held, Histogram, LATENCIES, Meters, OTHER, Tally};
use crate::domain::provider::ProviderName;
use crate::domain::tenant::Environment;
use crate::domain::tool::{Tool, ToolName};
use crate::token::LoginMeters;
use crate::upstream::RequestMeters;

/// The meters of one provider in one environment.
pub(super) struct SiteMeters {
    pub logins: Arc<LoginMeters>,
    pub requests: Arc<RequestMeters>,
}

/// The meters of one tool in one environment.
struct CallMeters {
    outcomes: Tally,
    durations: Histogram,
}

/// What became of records of calls.
pub(super) struct RecordMeters {
    pub written: Counter,
    pub lost: Counter,
}

impl RecordMeters {
    pub(super) fn new(meters: &Meters) -> Self {
        let counter = |result| {
            let help = "Records of calls for the audit log, by what became of them";
            meters.counter("locum_audit_records_total", help, &[("result", result)])
        };
        Self {
            written: counter("written"),
            lost: counter("lost"),
        }
    }
}

/// All of them.
pub(super) struct GatewayMeters {
    sites: BTreeMap<ProviderName, BTreeMap<Environment, SiteMeters>>,
    tools: BTreeMap<ToolName, BTreeMap<Environment, CallMeters>>,
    /// Of calls in environments that the tool's provider does not define: a key may name any.
    other: CallMeters,
    in_flight: Gauge,
    pub census: CensusMeters,
}

/// A call that is being served: counted when it ends, however it ends.
pub(super) struct Ongoing<'a> {
    meters: &'a CallMeters,
    clock: &'a SharedClock,
    started: Timestamp,
    outcome: &'static str,
    _held: Held,
}

impl GatewayMeters {
    pub(super) fn new(meters: &Meters, catalog: &Catalog) -> Self {
        let sites = catalog.providers().map(|provider| {
            let name = provider.name.as_str();
            let site = |environment: &Environment| {
                let labels = [("provider", name), ("environment", environment.as_str())];
                SiteMeters {
                    logins: Arc::new(LoginMeters::new(meters, &labels)),
                    requests: Arc::new(RequestMeters::new(meters, &labels)),
                }
            };
            let environments = provider.environments.keys();
            let sites = environments.map(|name| (name.clone(), site(name)));
            (provider.name.clone(), sites.collect())
        });
        let tools = catalog.tools().map(|entry| {
            let tool = &entry.tool;
            let provider = catalog.provider(tool.provider.as_str());
            let environments = provider.into_iter().flat_map(|p| p.environments.keys());
            let named = |name: &Environment| {
                let words = [tool.name.as_str(), tool.provider.as_str(), name.as_str()];
                (name.clone(), CallMeters::new(meters, words))
            };
            (tool.name.clone(), environments.map(named).collect())
        });
        Self {
            sites: sites.collect(),
            tools: tools.collect(),
            other: CallMeters::new(meters, [OTHER; 3]),
            in_flight: meters.gauge(
                "locum_calls_in_flight",
                "Calls that are being served now",
                &[],
            ),
            census: CensusMeters::new(meters, catalog),
        }
    }

    /// `None` where no profile defines this environment of the provider.
    pub(super) fn site(&self, provider: &str, environment: &Environment) -> Option<&SiteMeters> {
        self.sites.get(provider)?.get(environment)
    }

    pub(super) fn begin<'a>(
        &'a self,
        tool: &Tool,
        environment: &Environment,
        clock: &'a SharedClock,
    ) -> Ongoing<'a> {
        let environments = self.tools.get(&tool.name);
        let meters = environments.and_then(|meters| meters.get(environment));
        Ongoing {
            meters: meters.unwrap_or(&self.other),
            clock,
            started: clock.now(),
            outcome: outcome::ABORTED,
            _held: self.in_flight.hold(),
        }
    }
}

impl CallMeters {
    fn new(meters: &Meters, [tool, provider, environment]: [&str; 3]) -> Self {
        let labels = [
            ("tool", tool),
            ("provider", provider),
            ("environment", environment),
        ];
        Self {
            outcomes: meters.tally(
                "locum_calls_total",
                "Calls of known tools, by outcome",
                &labels,
                "outcome",
                outcome::WORDS,
            ),
            durations: meters.histogram(
                "locum_call_duration_seconds",
                "From the arguments' arrival to the outcome of a call",
                &labels,
                LATENCIES,
            ),
        }
    }
}

impl Ongoing<'_> {
    pub(super) fn started(&self) -> Timestamp {
        self.started
    }

    /// Ends a call with its outcome and tells when that was, and how long it took.
    pub(super) fn end(mut self, outcome: &'static str) -> (Timestamp, Duration) {
        self.outcome = outcome;
        let now = self.clock.now();
        (now, self.elapsed(now))
    }

    fn elapsed(&self, now: Timestamp) -> Duration {
        let elapsed = now.duration_since(self.started);
        Duration::try_from(elapsed).unwrap_or_default()
    }
}

impl Drop for Ongoing<'_> {
    fn drop(&mut self) {
        self.meters.outcomes.count(self.outcome);
        self.meters
            .durations
            .observe(self.elapsed(self.clock.now()));
    }
}
