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
mod tests;
