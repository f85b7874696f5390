//! A running gateway: its listeners, its watcher, and how they stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use super::hardening::raise_open_files;
use super::{App, AppError, bookkeeper, watcher};
use crate::config::Loaded;
use crate::domain::limits::TenantLimits;
use crate::domain::meter::{Gauge, Meters};
use crate::domain::span::Tracer;
use crate::gateway::{AdmissionSettings, Gateway};
use crate::http::hosts::HostPolicy;
use crate::http::mcp::{Mcp, McpSettings};
use crate::http::{router, server};
use crate::net::{Net, NetSettings};
use crate::token::{Login, Tokens};
use crate::traces::{TraceSettings, Traces, read_headers};
use crate::upstream::Rest;

/// More connections wait until one of these ends, whatever the system allows.
const MAX_CONNECTIONS: usize = 50_000;
const MAX_ADMIN_CONNECTIONS: usize = 256;
/// A trace collector has to take a batch within this.
const COLLECTOR_TIMEOUT: Duration = Duration::from_secs(10);

/// A gateway that serves until it is stopped.
pub struct Running {
    pub mcp: SocketAddr,
    pub admin: SocketAddr,
    app: App,
    gateway: Arc<Gateway>,
    stop: watch::Sender<bool>,
    traces: Option<Arc<Traces>>,
    tasks: Vec<JoinHandle<()>>,
}

impl App {
    /// Opens the listeners and serves. No upstream is contacted before the first call.
    pub async fn start(self) -> Result<Running, AppError> {
        let meters = Meters::default();
        let gateway = Arc::new(self.gateway(&meters).await?);
        let traces = self.traces(&meters)?.map(Arc::new);
        let tracer = traces.clone().map(|traces| traces as Arc<dyn Tracer>);
        let config = &self.loaded.config;
        let mcp_listener = listen("server.listen", config.server.listen).await?;
        let admin_listener = listen("admin.listen", config.admin.listen).await?;
        let (mcp, admin) = (
            address("server.listen", &mcp_listener)?,
            address("admin.listen", &admin_listener)?,
        );
        let hosts = host_policy(&self.loaded);
        let settings = mcp_settings(&self.loaded);
        let front = Mcp::new(gateway.clone(), hosts.clone(), settings, &meters, tracer);
        // The other half is for connections to upstreams, and for files.
        let max_connections = (raise_open_files() / 2).clamp(16, MAX_CONNECTIONS);
        let (stop, signal) = watch::channel(false);
        let tasks = vec![
            tokio::spawn(server::serve(
                mcp_listener,
                router::mcp(Arc::new(front)),
                max_connections,
                connections(&meters, "mcp"),
                signal.clone(),
            )),
            tokio::spawn(server::serve(
                admin_listener,
                router::admin(gateway.clone(), meters.clone(), hosts),
                MAX_ADMIN_CONNECTIONS,
                connections(&meters, "admin"),
                signal.clone(),
            )),
            tokio::spawn(watcher::watch(gateway.clone(), signal.clone())),
            tokio::spawn(bookkeeper::keep(gateway.clone(), signal)),
        ];
        tracing::info!(%mcp, %admin, "serving");
        Ok(Running {
            mcp,
            admin,
            app: self,
            gateway,
            stop,
            traces,
            tasks,
        })
    }

    /// Traces, where a collector is configured.
    fn traces(&self, meters: &Meters) -> Result<Option<Traces>, AppError> {
        let section = &self.loaded.config.traces;
        let Some(endpoint) = section.endpoint.clone() else {
            return Ok(None);
        };
        let file = self.loaded.trace_headers_file();
        let headers = file.as_deref().map(read_headers).transpose()?;
        let settings = TraceSettings {
            endpoint,
            headers: headers.unwrap_or_default(),
            sample_ratio: section.sample_ratio,
            service_name: section.service_name.clone(),
        };
        let net = Net::new(NetSettings {
            request_timeout: COLLECTOR_TIMEOUT,
            ..NetSettings::default()
        })?;
        let clock = self.clock.clone();
        Ok(Some(Traces::start(settings, net, clock, meters)))
    }

    async fn gateway(&self, meters: &Meters) -> Result<Gateway, AppError> {
        let login = Login::new(self.net.clone(), self.clock.clone());
        let tokens = Tokens::new(
            login,
            Arc::new(self.credentials.clone()),
            self.clock.clone(),
        );
        let max_answer = self.loaded.config.limits.answer;
        let rest = Rest::new(self.net.clone(), max_answer, self.clock.clone());
        Ok(Gateway::open(
            self.store.clone(),
            self.catalog.clone(),
            admission_settings(&self.loaded),
            tokens,
            rest,
            self.clock.clone(),
            meters,
        )
        .await?)
    }
}

impl Running {
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Lets requests in flight finish, writes down what was used, sends the last spans, then closes
    /// the database.
    pub async fn stop(self) -> Result<(), JoinError> {
        let _ = self.stop.send(true);
        let mut result = Ok(());
        for task in self.tasks {
            result = result.and(task.await);
        }
        bookkeeper::close(&self.gateway).await;
        if let Some(traces) = &self.traces {
            traces.stop().await;
        }
        self.app.close().await;
        result
    }
}

fn connections(meters: &Meters, listener: &str) -> Gauge {
    let help = "Open connections, by listener";
    meters.gauge("locum_open_connections", help, &[("listener", listener)])
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| AppError::Listen {
            key,
            address,
            source,
        })
}

fn address(key: &'static str, listener: &TcpListener) -> Result<SocketAddr, AppError> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    listener.local_addr().map_err(|source| AppError::Listen {
        key,
        address: unknown,
        source,
    })
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

fn admission_settings(loaded: &Loaded) -> AdmissionSettings {
    let limits = &loaded.config.limits;
    AdmissionSettings {
        defaults: TenantLimits {
            per_minute: limits.tenant_per_minute,
            per_day: limits.tenant_per_day,
            concurrency: limits.tenant_concurrency,
        },
        upstream_concurrency: limits.upstream_concurrency,
        queue_timeout: limits.queue_timeout,
    }
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
        max_body: config.limits.body,
        body_timeout: config.limits.body_timeout,
        call_timeout: config.limits.call_timeout,
    }
}
