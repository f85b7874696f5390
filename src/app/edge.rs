//! What the listeners serve, and how: made of the configuration.

use std::sync::Arc;

use http::HeaderName;
use tokio::sync::watch;

use super::App;
use super::hardening::raise_open_files;
use super::limits::EdgeLimits;
use crate::config::Loaded;
use crate::domain::actor::Actor;
use crate::domain::meter::{Gauge, Meters};
use crate::domain::span::Tracer;
use crate::gateway::Gateway;
use crate::http::admin::AdminApi;
use crate::http::cors::Cors;
use crate::http::floods::Floods;
use crate::http::hosts::HostPolicy;
use crate::http::mcp::{Door, Mcp, McpSettings};
use crate::http::proxies::Proxies;
use crate::http::router::{self, Routes};
use crate::http::server::ServerSettings;

/// More connections wait until one of these ends, whatever the system allows.
const MAX_CONNECTIONS: usize = 50_000;
const MAX_ADMIN_CONNECTIONS: usize = 256;

/// What clients and operators talk to.
pub(super) fn routes(
    app: &App,
    (gateway, limits): (&Arc<Gateway>, &EdgeLimits),
    meters: &Meters,
    (tracer, stop): (Option<Arc<dyn Tracer>>, &watch::Receiver<bool>),
) -> (Routes, Routes) {
    let hosts = host_policy(&app.loaded);
    let settings = mcp_settings(&app.loaded);
    let tenant = [&settings.organization_header, &settings.environment_header];
    let cors = Cors::new(hosts.clone(), tenant);
    let floods = || Floods::new(limits.failed_auth_per_minute.clone(), app.clock.clone());
    let door = door(app, hosts.clone(), floods());
    let settings = (settings, limits.requests.clone());
    let front = Mcp::new(
        gateway.clone(),
        door,
        settings,
        meters,
        tracer,
        (stop.clone(), max_connections()),
    );
    (
        router::mcp(Arc::new(front), Arc::new(cors)),
        router::admin(
            // Acts for nobody until a request says who asks.
            AdminApi::new(app.admin(Actor::Locum), gateway.clone(), floods()),
            gateway.clone(),
            meters.clone(),
            hosts,
        ),
    )
}

fn door(app: &App, hosts: HostPolicy, floods: Floods) -> Door {
    let config = &app.loaded.config;
    let public = config.server.public_url.as_ref();
    let https_only = public.is_some_and(|url| url.scheme() == "https");
    Door {
        hosts,
        proxies: Proxies::new(config.server.trusted_proxies.clone(), https_only),
        floods,
    }
}

/// Of the MCP listener and of the admin listener.
pub(super) fn settings(
    loaded: &Loaded,
    limits: &EdgeLimits,
    meters: &Meters,
) -> (ServerSettings, ServerSettings) {
    let config = &loaded.config;
    let behind_proxies = config.server.tls.is_none() && !config.server.trusted_proxies.is_empty();
    let mcp = ServerSettings {
        max_connections: max_connections(),
        peers: behind_proxies.then(|| config.server.trusted_proxies.clone()),
        times: limits.times.clone(),
        open: connections(meters, "mcp"),
    };
    let admin = ServerSettings {
        max_connections: MAX_ADMIN_CONNECTIONS,
        times: limits.times.clone(),
        peers: None,
        open: connections(meters, "admin"),
    };
    (mcp, admin)
}

/// The rest of the files is for connections to upstreams, and for files.
fn max_connections() -> usize {
    (raise_open_files() / 4 * 3).clamp(16, MAX_CONNECTIONS)
}

fn connections(meters: &Meters, listener: &str) -> Gauge {
    let help = "Open connections, by listener";
    meters.gauge("locum_open_connections", help, &[("listener", listener)])
}

/// Loopback, the public URL, what the operator allowed, and the addresses listened on.
fn host_policy(loaded: &Loaded) -> HostPolicy {
    let config = &loaded.config;
    let public = loaded.public_url();
    let listeners = [config.server.listen, config.admin.listen].map(|address| address.ip());
    let own = listeners
        .into_iter()
        .filter(|ip| !ip.is_unspecified())
        .map(|ip| ip.to_string());
    let named = public.host_str().map(str::to_owned).into_iter();
    let origins = std::iter::once(public.origin().ascii_serialization());
    HostPolicy::new(
        named
            .chain(own)
            .chain(config.server.allowed_hosts.iter().cloned()),
        origins.chain(config.server.allowed_origins.iter().cloned()),
    )
}

fn mcp_settings(loaded: &Loaded) -> McpSettings {
    let config = &loaded.config;
    // The configuration was validated: the fallbacks are its defaults.
    let header = |name: &str, default: &'static str| {
        HeaderName::from_bytes(name.as_bytes()).unwrap_or(HeaderName::from_static(default))
    };
    McpSettings {
        organization_header: header(&config.tenancy.header, "x-tenant-id"),
        environment_header: header(&config.tenancy.environment_header, "x-tenant-env"),
    }
}
