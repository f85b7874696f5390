//! What types alone cannot say about a configuration: values that parse and cannot work.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use url::Url;

use super::{AuditSection, Config, UpstreamSection};
use crate::domain::address::AddressKind;
use crate::domain::audit::{CallAudit, MIN_RETENTION};
use crate::domain::destination::{Destinations, HostName};
use crate::domain::document::Step;
use crate::domain::limits::MAX_LIMIT;

/// A key and what is wrong with it.
pub(super) type Mistake = (Vec<Step>, String);

/// A request body beyond this would have to fit into memory many times over.
const MAX_BODY: usize = 64 << 20;
const MIN_SIZE: usize = 1 << 10;

pub(super) fn check(config: &Config) -> Result<(), Mistake> {
    tenancy(config)?;
    log_level(&config.log.level)?;
    public_url(config.server.public_url.as_ref())?;
    hosts(config)?;
    if config.server.trusted_proxies.are_everything() {
        let message = "everybody is no proxy: name the addresses from which your proxy connects";
        return mistake("server", "trusted_proxies", message);
    }
    traces(config)?;
    audit(&config.audit)?;
    limits(config)?;
    super::reminders::check(config)?;
    upstream(&config.upstream)
}

pub(super) fn mistake<T>(section: &str, key: &str, message: &str) -> Result<T, Mistake> {
    Err((vec![section.into(), key.into()], message.to_owned()))
}

fn tenancy(config: &Config) -> Result<(), Mistake> {
    let taken = [AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN];
    let names = [
        ("header", &config.tenancy.header),
        ("environment_header", &config.tenancy.environment_header),
    ];
    for (key, name) in names {
        match HeaderName::from_bytes(name.as_bytes()) {
            Err(_) => {
                return mistake("tenancy", key, "not a header name (RFC 9110, section 5.1)");
            }
            Ok(name) if taken.contains(&name) || name.as_str().starts_with("mcp-") => {
                return mistake("tenancy", key, "this header has a meaning of its own");
            }
            Ok(_) => {}
        }
    }
    if config
        .tenancy
        .header
        .eq_ignore_ascii_case(&config.tenancy.environment_header)
    {
        return mistake(
            "tenancy",
            "environment_header",
            "the same header as tenancy.header",
        );
    }
    Ok(())
}

/// Levels, or `target=level`, separated by commas.
fn log_level(text: &str) -> Result<(), Mistake> {
    let known = text.split(',').all(|directive| {
        let (target, level) = directive.split_once('=').unwrap_or(("locum", directive));
        let known = ["error", "warn", "info", "debug", "trace", "off"].contains(&level);
        known && !target.is_empty() && !target.contains(char::is_whitespace)
    });
    if known {
        return Ok(());
    }
    let message = "use error, warn, info, debug or trace, or directives such as info,hyper=debug";
    mistake("log", "level", message)
}

fn public_url(url: Option<&Url>) -> Result<(), Mistake> {
    let Some(url) = url else { return Ok(()) };
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && plain {
        return Ok(());
    }
    let message = "an http or https URL without user, query and fragment is needed";
    mistake("server", "public_url", message)
}

fn hosts(config: &Config) -> Result<(), Mistake> {
    let name = |host: &String| !host.is_empty() && !host.contains(['/', ':', ' ', '*', '@']);
    let address = |host: &String| host.parse::<std::net::IpAddr>().is_ok();
    if !config
        .server
        .allowed_hosts
        .iter()
        .all(|host| name(host) || address(host))
    {
        let message = "names without scheme, port and wildcard, such as \"mcp.example\"";
        return mistake("server", "allowed_hosts", message);
    }
    let origin = |text: &String| {
        Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text.as_str())
    };
    if !config.server.allowed_origins.iter().all(origin) {
        let message = "whole origins without a path, such as \"https://app.example\"";
        return mistake("server", "allowed_origins", message);
    }
    Ok(())
}

fn traces(config: &Config) -> Result<(), Mistake> {
    let traces = &config.traces;
    if let Some(endpoint) = &traces.endpoint {
        // The operator names the collector here, so its address may be a private one.
        let destinations = Destinations {
            allow_http: config.upstream.allow_http_hosts.clone(),
            ..Destinations::own(endpoint)
        };
        destinations
            .check_base(endpoint)
            .or_else(|bad| mistake("traces", "endpoint", &bad.to_string()))?;
    }
    if !(0.0..=1.0).contains(&traces.sample_ratio) {
        return mistake("traces", "sample_ratio", "between 0 and 1");
    }
    if traces.service_name.trim().is_empty() {
        return mistake("traces", "service_name", "a name is needed");
    }
    Ok(())
}

fn audit(audit: &AuditSection) -> Result<(), Mistake> {
    if audit.retention < MIN_RETENTION {
        let message = "records are kept for a year at least: 1y (365d) or more";
        return mistake("audit", "retention", message);
    }
    if audit.strict && audit.calls == CallAudit::Off {
        let message = "there is no call to be strict about with audit.calls = \"off\"";
        return mistake("audit", "strict", message);
    }
    Ok(())
}

fn limits(config: &Config) -> Result<(), Mistake> {
    let limits = &config.limits;
    if !(MIN_SIZE..=MAX_BODY).contains(&limits.body) {
        return mistake("limits", "body", "between 1KiB and 64MiB");
    }
    if limits.answer < MIN_SIZE {
        return mistake("limits", "answer", "at least 1KiB");
    }
    let counts = [
        ("tenant_per_minute", limits.tenant_per_minute),
        ("tenant_per_day", limits.tenant_per_day),
        ("tenant_concurrency", limits.tenant_concurrency),
        ("upstream_concurrency", Some(limits.upstream_concurrency)),
    ];
    for (key, count) in counts {
        if count.is_some_and(|count| !(1..=MAX_LIMIT).contains(&count)) {
            let message = "from 1 to 1000000; leave the key out for the default";
            return mistake("limits", key, message);
        }
    }
    Ok(())
}

fn upstream(upstream: &UpstreamSection) -> Result<(), Mistake> {
    let never = upstream.allow_private_hosts.iter().find_map(|host| {
        let kind = AddressKind::of(host.address()?);
        (!kind.can_be_named()).then_some((host, kind))
    });
    if let Some((host, kind)) = never {
        let message = format!("`{host}` is a {kind} address, where no upstream may be; remove it");
        return mistake("upstream", "allow_private_hosts", &message);
    }
    match &upstream.proxy {
        Some(proxy) => check_proxy(proxy),
        None if upstream.proxy_credentials_file.is_some() => {
            let message = "there is no upstream.proxy that it could be for";
            mistake("upstream", "proxy_credentials_file", message)
        }
        None if !upstream.no_proxy.is_empty() => {
            let message = "there is no upstream.proxy to go past";
            mistake("upstream", "no_proxy", message)
        }
        None => Ok(()),
    }
}

fn check_proxy(proxy: &Url) -> Result<(), Mistake> {
    if !proxy.username().is_empty() || proxy.password().is_some() {
        let message = "user and password go into upstream.proxy_credentials_file";
        return mistake("upstream", "proxy", message);
    }
    let bare = proxy.path() == "/" && proxy.query().is_none() && proxy.fragment().is_none();
    if !matches!(proxy.scheme(), "http" | "https") || !proxy.has_host() || !bare {
        let message = "the URL of an HTTP proxy is needed, such as \"http://proxy.example:3128\"";
        return mistake("upstream", "proxy", message);
    }
    let address = HostName::of(proxy).and_then(|host| host.address());
    match address.map(AddressKind::of) {
        Some(kind) if !kind.can_be_named() => {
            let message = format!("a {kind} address, where no proxy may be");
            mistake("upstream", "proxy", &message)
        }
        _ => Ok(()),
    }
}
