//! `[limits]`, for those whom each of them concerns; a reload puts others in their place.

use std::time::Duration;

use crate::config::LimitsSection;
use crate::domain::limits::TenantLimits;
use crate::domain::live::Live;
use crate::gateway::AdmissionSettings;
use crate::http::mcp::McpLimits;
use crate::http::server::Times;

/// After the stop a call may end by its own time, and its answer be taken.
const SHORTEST_GRACE: Duration = Duration::from_secs(30);
const AFTER_A_CALL: Duration = Duration::from_secs(5);

/// What the listeners go by.
pub(super) struct EdgeLimits {
    pub requests: Live<McpLimits>,
    pub failed_auth_per_minute: Live<u32>,
    pub times: Live<Times>,
}

impl EdgeLimits {
    pub(super) fn new(section: &LimitsSection) -> Self {
        Self {
            requests: Live::new(requests(section)),
            failed_auth_per_minute: Live::new(section.failed_auth_per_minute),
            times: Live::new(times(section)),
        }
    }

    pub(super) fn put(&self, section: &LimitsSection) {
        self.requests.put(requests(section));
        self.failed_auth_per_minute
            .put(section.failed_auth_per_minute);
        self.times.put(times(section));
    }
}

fn requests(section: &LimitsSection) -> McpLimits {
    McpLimits {
        max_body: section.body,
        body_timeout: section.body_timeout,
        call_timeout: section.call_timeout,
    }
}

fn times(section: &LimitsSection) -> Times {
    Times {
        head_timeout: section.head_timeout,
        write_timeout: section.write_timeout,
        idle_timeout: section.idle_timeout,
        grace: section.call_timeout.max(SHORTEST_GRACE) + AFTER_A_CALL,
    }
}

/// What calls are admitted by.
pub(super) fn admission(section: &LimitsSection) -> AdmissionSettings {
    AdmissionSettings {
        defaults: TenantLimits {
            per_minute: section.tenant_per_minute,
            per_day: section.tenant_per_day,
            concurrency: section.tenant_concurrency,
        },
        upstream_concurrency: section.upstream_concurrency,
        queue_timeout: section.queue_timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKERFILE: &str = include_str!("../../Dockerfile");
    const COMPOSE: &str = include_str!("../../docker-compose.yml");
    const UNIT: &str = include_str!("../../packaging/locum.service");
    const OPERATIONS: &str = include_str!("../../docs/operations.md");
    const SECURITY: &str = include_str!("../../docs/security.md");

    /// After the grace connections are dropped, spans are sent, and the database is closed.
    const AFTER_THE_GRACE: Duration = Duration::from_secs(10);

    /// The seconds that a text has right after these words.
    fn seconds(text: &str, words: &str) -> Duration {
        let (_, rest) = text.split_once(words).unwrap();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
        Duration::from_secs(rest[..end].parse().unwrap())
    }

    #[test]
    fn whoever_stops_the_server_waits_longer_than_the_grace() {
        let grace = times(&LimitsSection::default()).grace;
        for (text, words) in [
            (UNIT, "\nTimeoutStopSec="),
            (COMPOSE, " stop_grace_period: "),
            (OPERATIONS, "`terminationGracePeriodSeconds: "),
            (OPERATIONS, "(`-t "),
            (DOCKERFILE, "`docker stop -t "),
        ] {
            let patience = seconds(text, words);
            assert!(patience > grace + AFTER_THE_GRACE, "{words}{patience:?}");
        }
    }

    #[test]
    fn the_grace_is_said_as_it_is() {
        let grace = times(&LimitsSection::default()).grace.as_secs();
        for text in [UNIT, COMPOSE, DOCKERFILE, SECURITY] {
            assert!(text.contains(&format!("{grace} s")), "{grace} s in {text}");
        }
    }
}
